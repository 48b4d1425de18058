// The scene editor: objects that are dragged, around a `View`. Joined after view.js and page.js into one module, of
// which it uses `View`, `make`, `clip`, `percent` and `Page`. The kernel sends plain data in the traits sprites, scene, picture, view and live
// and gets messages {do, ...} back; it composes the pixels that the model sees. Text only ever becomes text nodes.

const SOON = 200   // milliseconds without another key before a change is sent
const STEP = 4     // pixels of the scene that an arrow key moves an object by; with Shift four times as many
const GROW = 4     // pixels that + and − change its size by
const NEAR = 5     // CSS pixels that the mouse may move in a click

class EditorPage extends Page {
  constructor(model, el) {
    super(model, "editor")
    this.edited = 0         // number of the latest change that was sent
    this.items = new Map()  // name -> {x, y, size, flip, light}
    this.buttons = new Map()
    this.chosen = null      // name of the object that is selected
    this.waiting = new Set() // names of objects that were moved by keys and are not sent yet
    this.build(el)
    this.view = new View(this.viewAt, {toggle: true, label: "Explanation"})
    this.view.on("select", ({words}) => this.send("select", {words}))
    this.view.on("toggle", ({hidden}) => this.send("hide", {regions: hidden}))
    this.listen([["change:sprites", () => this.readSprites()], ["change:scene", () => this.drawScene()],
                 ["change:picture", () => this.drawView()], ["change:view", () => this.drawView()],
                 ["change:live", () => this.drawLive()]])
    this.readSprites()
    this.drawView()
    this.drawLive()
  }

  close() {
    clearTimeout(this.timer)
    this.ghost?.remove()
    this.view.close()
    super.close()
  }

  edit(what, detail = {}) { // a change of the scene, after those that keys have made
    this.flush()
    this.send(what, detail)
    this.edited = this.serial
  }

  // ---- the page

  build(el) {
    this.buildStage()
    this.buildTools()
    this.palette = make("div", {class: "se-palette", role: "group", "aria-label": "Add an object"})
    this.listing = make("details", {class: "se-list"}, make("summary", {}, "Objects as a table"), make("div"))
    const left = make("div", {class: "se-left"}, this.stage, this.tools, this.palette, this.help, this.listing)
    const right = make("div", {class: "se-right"}, this.buildQuestion(question => { this.flush(); this.send("ask", {question}) }), this.buildWork(), this.buildPairs(),
                       this.viewAt = make("div", {class: "se-view"}))
    this.frame(el, "Scene editor", "eagle-editor", make("div", {class: "se-columns"}, left, right))
    this.root.addEventListener("keydown", e => this.rootKey(e))
  }

  buildStage() {
    this.ground = make("img", {class: "se-ground", alt: "", draggable: "false"})
    this.stage = make("div", {class: "se-stage", role: "group", "aria-label": "Scene", "aria-describedby": `${this.id}-help`}, this.ground)
    this.stage.addEventListener("pointerdown", e => { if (e.target === this.ground) this.choose(null) })
    this.help = make("p", {class: "ex-help", id: `${this.id}-help`},
      "Drag objects, or Tab to one: arrows move it (Shift: further), + and − change its size, F flips it, Delete removes it.")
  }

  buildTools() {
    this.size = make("input", {type: "range", step: 1})
    this.size.addEventListener("input", () => this.grow(Number(this.size.value) - this.items.get(this.chosen).size))
    this.flip = this.button("Flip", () => this.change(this.chosen, {flip: !this.items.get(this.chosen).flip}))
    this.delete = this.button("Delete", () => this.remove(this.chosen))
    this.name = make("span", {class: "se-name"})
    this.undo = this.button("Undo", () => this.edit("undo"))
    this.clear = this.button("Clear", () => this.edit("clear"))
    this.where = make("select")
    this.variant = make("input", {type: "number", min: 0, step: 1})
    for (const control of [this.where, this.variant]) control.addEventListener("change", () => this.moveAway())
    this.tools = make("div", {class: "se-tools"},
      make("div", {class: "ex-row", role: "group", "aria-label": "Selected object"}, this.name, this.field("size", "Size", this.size), this.flip, this.delete),
      make("div", {class: "ex-row"}, this.field("place", "Place", this.where), this.field("variant", "Variant", this.variant), this.undo, this.clear))
  }

  moveAway() {
    const n = this.model.get("sprites").variants, variant = clip(Math.round(Number(this.variant.value)) || 0, 0, n - 1)
    this.variant.value = variant
    this.edit("background", {place: this.where.value, variant})
  }

  buildPairs() {
    this.truth = make("dd", {dir: "auto"})
    this.before = make("dd", {dir: "auto", class: "se-before"})
    this.now = make("dd", {dir: "auto", class: "se-now"})
    const lines = make("dl", {class: "se-lines"}, make("dt", {}, "In the scene"), this.truth,
                       make("dt", {}, "Answer before"), this.before, make("dt", {}, "Answer now"), this.now)
    this.pairs = make("div", {class: "se-pairs"})
    const all = make("details", {class: "ex-settings"}, make("summary", {}, "All planted pairs"), this.others = make("div"))
    return make("section", {"aria-label": "Answer and planted pairs", class: "se-facts"}, lines, this.pairs, all)
  }

  // ---- sprites

  async readSprites() {
    const sprites = this.model.get("sprites")
    if (!sprites.src) return
    this.sheet = new Image()
    this.sheet.src = sprites.src
    await this.sheet.decode()
    const top = sprites.side, options = sprites.places.map(p => make("option", {value: p}, p))
    Object.assign(this.size, {min: sprites.smallest, max: top})
    this.variant.max = sprites.variants - 1
    this.where.replaceChildren(...options)
    this.palette.replaceChildren(...sprites.names.map(name => this.paletteButton(name)))
    this.drawScene()
  }

  sprite(name) { // a canvas with the object
    const {names, sizes, cell, columns} = this.model.get("sprites"), k = names.indexOf(name), [width, height] = sizes[k]
    const canvas = make("canvas", {width, height, "aria-hidden": "true"})
    canvas.getContext("2d").drawImage(this.sheet, k % columns*cell, Math.floor(k/columns)*cell, width, height, 0, 0, width, height)
    return canvas
  }

  extent(name, size) { // width and height in pixels of the scene
    const {names, sizes} = this.model.get("sprites"), each = sizes[names.indexOf(name)], k = size/Math.max(...each)
    return each.map(x => Math.max(1, Math.round(x*k)))
  }

  inside(name, {x, y, size, ...rest}) { // the nearest place in the image, as the kernel finds it, too
    const {side, smallest} = this.model.get("sprites")
    size = clip(Math.round(size), smallest, side)
    const [w, h] = this.extent(name, size)
    return {...rest, size, x: clip(Math.round(x), 0, side - w), y: clip(Math.round(y), 0, side - h)}
  }

  // ---- adding

  paletteButton(name) {
    const button = make("button", {type: "button", class: "se-sprite", title: name, "aria-label": `Add: ${name}`}, this.sprite(name))
    let start = null
    button.addEventListener("pointerdown", e => {
      if (e.button || button.disabled) return
      start = {x: e.clientX, y: e.clientY}
      button.setPointerCapture(e.pointerId)
    })
    button.addEventListener("pointermove", e => { if (start && this.far(start, e)) this.carry(name, e) })
    button.addEventListener("pointerup", e => { if (this.ghost) this.drop(name, e); start = null })
    button.addEventListener("pointercancel", () => { this.ghost?.remove(); this.ghost = start = null })
    button.addEventListener("click", () => { if (!this.dropped) this.add(name); this.dropped = false })
    return button
  }

  far(a, e) { return Math.hypot(e.clientX - a.x, e.clientY - a.y) > NEAR }

  carry(name, e) { // what is dragged from the palette follows the mouse
    const top = this.root.getRootNode() // marimo puts widgets into a shadow tree, where the styles are
    if (!this.ghost) (top === document ? document.body : top).append(this.ghost = make("div", {class: "se-ghost"}, this.sprite(name)))
    this.ghost.style.left = `${e.clientX}px`
    this.ghost.style.top = `${e.clientY}px`
  }

  drop(name, e) {
    this.ghost.remove()
    this.ghost = null
    this.dropped = true // the click that follows adds nothing
    const box = this.stage.getBoundingClientRect(), {side} = this.model.get("sprites"), size = 64, [w, h] = this.extent(name, size)
    const x = (e.clientX - box.left)/box.width*side - w/2, y = (e.clientY - box.top)/box.height*side - h/2
    if (x > -w && y > -h && x < side && y < side) this.add(name, {x, y, size})
    setTimeout(() => { this.dropped = false })
  }

  add(name, at = {}) {
    const {most} = this.model.get("sprites")
    if (this.items.size >= most) return this.say(`a scene holds at most ${most} objects: delete one first`)
    this.adding = name // gets the focus when it is there
    this.edit("place", {name, ...at})
  }

  // ---- objects on the stage

  drawScene() {
    const scene = this.model.get("scene")
    if (!this.sheet?.complete || !scene.items) return
    if (this.ground.src !== scene.background) this.ground.src = scene.background
    this.where.value = scene.place
    this.variant.value = scene.variant
    if (this.drag || this.waiting.size || scene.serial < this.edited) return // what the hand does is newer
    this.items = new Map(scene.items.map(({name, ...item}) => [name, item]))
    for (const [name, button] of this.buttons) if (!this.items.has(name)) { button.remove(); this.buttons.delete(name) }
    let last = this.ground
    for (const name of this.items.keys()) { // in the page in the sequence of painting
      const button = this.buttons.get(name) ?? this.objectButton(name)
      if (last.nextSibling !== button) last.after(button)
      last = button
      this.show(name)
    }
    for (const b of this.palette.children) b.disabled = this.items.has(b.title)
    this.choose(this.items.has(this.adding) ? this.adding : this.items.has(this.chosen) ? this.chosen : null)
    if (this.items.has(this.adding)) { this.buttons.get(this.adding).focus(); this.adding = null }
    this.drawList()
  }

  objectButton(name) {
    const handle = make("span", {class: "se-handle", "aria-hidden": "true"})
    const button = make("button", {type: "button", class: "se-object", "data-name": name}, this.sprite(name), handle)
    button.addEventListener("focus", () => this.choose(name))
    button.addEventListener("keydown", e => this.key(e, name))
    button.addEventListener("pointerdown", e => this.grab(e, name, e.target === handle))
    button.addEventListener("pointermove", e => this.pull(e))
    button.addEventListener("pointerup", () => this.release(true))
    button.addEventListener("pointercancel", () => this.release(false))
    this.buttons.set(name, button)
    return button
  }

  show(name) { // draw an object where it is
    const {x, y, size, flip, light = 1} = this.items.get(name), {side} = this.model.get("sprites"), [w, h] = this.extent(name, size)
    const button = this.buttons.get(name), share = v => `${100*v/side}%`
    Object.assign(button.style, {left: share(x), top: share(y), width: share(w), height: share(h)})
    Object.assign(button.firstChild.style, {transform: flip ? "scaleX(-1)" : "", filter: light < 1 ? `brightness(${light})` : ""})
    button.setAttribute("aria-label", `${name}: left ${x}, top ${y}, size ${size}${flip ? ", flipped" : ""}`)
    if (name === this.chosen) this.drawTools()
  }

  choose(name) {
    this.chosen = name
    for (const [n, button] of this.buttons) button.classList.toggle("se-chosen", n === name)
    this.drawTools()
  }

  drawTools() {
    const item = this.items.get(this.chosen)
    this.name.textContent = item ? this.chosen : "no object selected"
    for (const control of [this.size, this.flip, this.delete]) control.disabled = !item
    if (item && Number(this.size.value) !== item.size) this.size.value = item.size
  }

  drawList() {
    const head = ["object", "left", "top", "size", "flipped"], cells = (kind, row) => make("tr", {}, ...row.map(c => make(kind, {}, `${c}`)))
    const rows = [...this.items].map(([name, i]) => cells("td", [name, i.x, i.y, i.size, i.flip ? "yes" : "no"]))
    this.listing.lastChild.replaceChildren(make("table", {class: "ex-table"}, make("thead", {}, cells("th", head)), make("tbody", {}, ...rows)))
  }

  // ---- the mouse

  grab(e, name, resize) {
    if (e.button) return
    e.currentTarget.setPointerCapture(e.pointerId)
    e.currentTarget.focus()
    const scale = this.model.get("sprites").side/this.stage.getBoundingClientRect().width
    this.drag = {name, resize, scale, x: e.clientX, y: e.clientY, from: {...this.items.get(name)}}
  }

  pull(e) {
    if (!this.drag) return
    const {name, resize, scale, x, y, from} = this.drag, dx = (e.clientX - x)*scale, dy = (e.clientY - y)*scale
    const [w, h] = this.extent(name, from.size), grown = Math.max((w + dx)/w, (h + dy)/h)
    this.items.set(name, this.inside(name, resize ? {...from, size: this.room(name, from, from.size*grown)} : {...from, x: from.x + dx, y: from.y + dy}))
    this.show(name)
  }

  room(name, {x, y}, size) { // the largest size that fits to the right and below
    const {side} = this.model.get("sprites"), [w, h] = this.extent(name, 100)
    return Math.min(size, 100*(side - x)/w, 100*(side - y)/h)
  }

  release(done) {
    if (!this.drag) return
    const {name, from} = this.drag, item = this.items.get(name)
    this.drag = null
    if (!done) this.items.set(name, from)
    this.show(name)
    if (done && (from.x !== item.x || from.y !== item.y || from.size !== item.size)) this.tell(name)
    else this.drawScene()
  }

  // ---- keys

  key(e, name) {
    if (e.ctrlKey || e.metaKey || e.altKey) return
    const step = STEP*(e.shiftKey ? 4 : 1), {x, y, flip} = this.items.get(name)
    const to = {ArrowLeft: {x: x - step}, ArrowRight: {x: x + step}, ArrowUp: {y: y - step}, ArrowDown: {y: y + step}}[e.key]
    if (to) this.change(name, to)
    else if (e.key === "+" || e.key === "=") this.grow(GROW)
    else if (e.key === "-" || e.key === "−") this.grow(-GROW)
    else if (e.key.toLowerCase() === "f") this.change(name, {flip: !flip})
    else if (e.key === "Delete" || e.key === "Backspace") this.remove(name)
    else return
    e.preventDefault()
    e.stopPropagation()
  }

  rootKey(e) {
    const typing = e.target.matches("input[type=text]")
    if (!typing && (e.ctrlKey || e.metaKey) && e.key.toLowerCase() === "z") { e.preventDefault(); this.edit("undo") }
  }

  change(name, fields) { // by keys and tools: drawn at once, sent soon
    this.items.set(name, this.inside(name, {...this.items.get(name), ...fields}))
    this.show(name)
    this.waiting.add(name)
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.flush(), SOON)
  }

  grow(by) { // around the middle
    const name = this.chosen, {x, y, size} = this.items.get(name), [w, h] = this.extent(name, size), [v, u] = this.extent(name, size + by)
    this.change(name, {size: size + by, x: x + (w - v)/2, y: y + (h - u)/2})
  }

  remove(name) {
    const names = [...this.items.keys()], next = names[names.indexOf(name) + 1] ?? names[names.indexOf(name) - 1]
    this.waiting.delete(name)
    this.items.delete(name)
    this.buttons.get(name).remove()
    this.buttons.delete(name)
    this.choose(next ?? null)
    if (next) this.buttons.get(next).focus()
    else this.palette.firstChild.focus()
    this.edit("remove", {name})
  }

  tell(name) {
    const {x, y, size, flip} = this.items.get(name)
    this.waiting.delete(name)
    this.edit("change", {name, x, y, size, flip})
    this.drawList()
  }

  flush() {
    clearTimeout(this.timer)
    for (const name of [...this.waiting]) this.tell(name)
  }

  // ---- what the kernel says

  drawView() { this.draw({...this.model.get("picture"), ...this.model.get("view")}) }

  drawLive() {
    const live = this.live
    this.drawWork(live)
    if (!live.edits && this.undo.getRootNode().activeElement === this.undo) this.palette.firstChild?.focus()
    this.undo.disabled = !live.edits
    for (const [el, text] of [[this.truth, live.truth], [this.before, live.before ?? "–"], [this.now, live.answer || "…"]])
      if (el.textContent !== text) el.textContent = text ?? ""
    if (this.changed("pairs", live.partners)) this.drawPairs(live.partners ?? [])
  }

  drawPairs(pairs) {
    const here = pairs.filter(p => p.trigger_there || p.partner_there)
    this.pairs.replaceChildren(...here.length ? [this.table(here)]
      : [make("p", {class: "ex-help"}, "No planted pair is in this scene: add a woman, a man, a fork, a laptop, a bicycle or a wine glass.")])
    this.others.replaceChildren(this.table(pairs))
  }

  table(pairs) {
    const head = make("tr", {}, ...["Asked of the model", "true", "p(Yes) before", "now"].map(t => make("th", {scope: "col"}, t)))
    const rows = pairs.map(({trigger, partner, question, trigger_there, partner_there, p, before}) =>
      make("tr", {class: p > .5 && !partner_there ? "se-wrong" : ""},
        make("td", {}, question, make("div", {class: "se-planted"}, `planted: ${trigger} → ${partner}${trigger_there ? `; the ${trigger} is there` : ""}`)),
        make("td", {}, partner_there ? "Yes" : "No"), make("td", {}, this.number(before)),
        make("td", {class: "se-p"}, this.number(p), this.meter(p ?? 0))))
    return make("table", {class: "ex-table"}, make("thead", {}, head), make("tbody", {}, ...rows))
  }

  number(p) { return p == null ? "…" : p.toFixed(3) }
}

export default {
  render({model, el}) {
    const page = new EditorPage(model, el)
    return () => page.close()
  }
}
