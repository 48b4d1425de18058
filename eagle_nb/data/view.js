// One explanation, drawn in the browser. Plain data in, events out; nothing runs when this module is imported.
// The format of the data and the use of `View` are described in nbs/explanation/02_view.ipynb.
// Text of models and users only ever becomes text nodes and attributes, never markup.

const SVG = "http://www.w3.org/2000/svg"
const RISE = .65        // power of a place on the scale that gives its opacity, as in `plots.heat_colours`
const GREY = .9         // share of its colours that the image loses where the map is strongest
const SMALLEST = 96     // shorter side of the image on the screen, in CSS pixels
const STRONG = .25      // influence of the image from which on a word may have the full colour
const PER_SECOND = 8    // steps of the reveal slider while it plays
const PLAIN = {name: "change of F", least: 0}   // of data that names no unit
const START = {words: [], region: null, hidden: [], step: null, path: "insertion", opacity: .75, signed: false,
               shared: true, mode: "inspect"}
let views = 0           // for ids that are unique in a page

// ---- small things

function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "path", "line", "circle", "text", "g"].includes(tag)
  const el = svg ? document.createElementNS(SVG, tag) : document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) el.setAttribute(name, "")
    else if (value !== false && value != null) el.setAttribute(name, value)
  }
  el.append(...children)
  return el
}

const clip = (x, low, high) => Math.min(high, Math.max(low, x))
const same = (a, b) => a.length === b.length && a.every((x, i) => x === b[i])
const percent = x => `${(100*x).toFixed(x && x < .0995 ? 1 : 0)} %`
const signed = x => (Math.abs(x) < .0005 ? "0.000" : (x > 0 ? "+" : "−") + Math.abs(x).toFixed(3))
const count = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`

function short(x) {
  if (x === 0) return "0"
  return Math.abs(x) >= 1e-4 ? String(Number(x.toPrecision(2))) : x.toExponential(0)
}

function uint16(text) {
  const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0))
  return new Uint16Array(bytes.buffer)
}

export function decodeLabels({width, height, runs}) { // Uint16Array, the region of each pixel, row by row
  const pairs = uint16(runs), labels = new Uint16Array(width*height)
  let at = 0
  for (let i = 0; i < pairs.length; i += 2) labels.fill(pairs[i + 1], at, at += pairs[i])
  if (at !== labels.length) throw new Error(`the runs of the label map cover ${at} pixels of ${labels.length}`)
  return labels
}

function decodeCurves({steps, tokens, insertion, deletion}) { // one array of probabilities per token
  const columns = text => {
    const all = uint16(text)
    return Array.from({length: tokens}, (_, t) => Float64Array.from({length: steps}, (_, k) => all[k*tokens + t]/65535))
  }
  return {insertion: columns(insertion), deletion: columns(deletion)}
}

function meanOf(columns) {
  return Float64Array.from(columns[0], (_, k) => columns.reduce((sum, c) => sum + c[k], 0)/columns.length)
}

function areaUnder(x, y) {
  let sum = 0
  for (let k = 1; k < x.length; k++) sum += (x[k] - x[k - 1])*(y[k] + y[k - 1])/2
  return sum
}

function boxesOf(labels, width, n) { // left, top, right and bottom of each region
  const box = Array.from({length: n}, () => [width, Infinity, -1, -1])
  for (let i = 0, x = 0, y = 0; i < labels.length; i++) {
    const b = box[labels[i]]
    if (x < b[0]) b[0] = x
    if (x > b[2]) b[2] = x
    if (y < b[1]) b[1] = y
    b[3] = y
    if (++x === width) { x = 0; y++ }
  }
  return box
}

function outlinePath(labels, width, region, [left, top, right, bottom]) { // the border of a region, in pixels
  const parts = [], wide = right - left + 1, tall = bottom - top + 1
  const inside = (x, y) => x >= left && y >= top && x <= right && y <= bottom && labels[y*width + x] === region
  const stretches = (length, differs, draw) => {
    for (let i = 0, start = -1; i <= length; i++) {
      const edge = i < length && differs(i)
      if (edge && start < 0) start = i
      if (!edge && start >= 0) { parts.push(draw(start, i)); start = -1 }
    }
  }
  for (let y = top; y <= bottom + 1; y++)
    stretches(wide, i => inside(left + i, y) !== inside(left + i, y - 1), (a, b) => `M${left + a} ${y}H${left + b}`)
  for (let x = left; x <= right + 1; x++)
    stretches(tall, i => inside(x, top + i) !== inside(x - 1, top + i), (a, b) => `M${x} ${top + a}V${top + b}`)
  return parts.join("")
}

function samePicture(a, b) { // the same image and the same regions, which steps and hidden regions belong to
  return a.image?.src === b.image?.src && a.labels?.runs === b.labels?.runs && a.area?.length === b.area?.length
}

const pen = canvas => canvas.getContext("2d", {willReadFrequently: true}) // in memory: pixels are set one by one
const rgb = hex => [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16))

// Keys are for what has the focus, not for the notebook around it; JupyterLab and Notebook ask the focused element itself.
// Who clicks elsewhere gets the keys of the notebook back. Returns a function that ends it.
function shieldKeys(root) {
  const leave = e => {
    if (!e.composedPath().includes(root) && root.contains(document.activeElement)) document.activeElement.blur()
  }
  root.addEventListener("focusin", e => e.target.setAttribute("data-lm-suppress-shortcuts", "true"))
  document.addEventListener("pointerdown", leave, true)
  return () => document.removeEventListener("pointerdown", leave, true)
}

// ---- the view

export class View {
  constructor(el, options = {}) {
    this.options = {toggle: false, label: "Explanation", ...options}
    this.id = `eagle-view-${++views}`
    this.handlers = {}
    this.data = {}
    this.now = {...START}
    this.pinned = false
    this.focus = 0          // the chip that the Tab key reaches
    this.build(el)
    this.resize = new ResizeObserver(() => this.fit())
    this.resize.observe(this.root)
  }

  on(event, fn) { // returns a function that ends the subscription
    const list = this.handlers[event] ??= []
    list.push(fn)
    return () => list.splice(list.indexOf(fn), 1)
  }

  state() {
    const {words, hidden, ...rest} = this.now
    return {...rest, words: [...words], hidden: [...hidden], step: this.step(), steps: this.steps()}
  }

  // New data, or some of its fields; `state` sets fields of `state()`. Emits nothing. Resolves when all is drawn.
  async update(data = {}, state = {}) {
    const old = this.data, before = this.drawn
    this.data = {...old, ...data}
    this.maps = new Map()
    if (!samePicture(old, this.data)) Object.assign(this.now, {step: null, region: null, hidden: []})
    Object.assign(this.now, state)
    this.keepValid()
    if (this.data.labels !== old.labels) this.readLabels()
    if (this.data.curves !== old.curves) this.curves = this.data.curves ? decodeCurves(this.data.curves) : null
    this.readColours()
    this.drawText()
    const round = this.round = (this.round ?? 0) + 1
    if (this.pictures() !== this.shown) {
      this.drawn = null // its words are no longer those of the data
      await this.readImages(round)
    }
    if (round !== this.round) return
    this.draw()
    const now = this.drawn // what was an estimate may have another order now
    if (before && now && same(before.words, now.words) && before.note !== now.note) this.say(this.selectionText())
  }

  close() {
    this.play(false)
    this.resize.disconnect()
    this.unshield()
    this.handlers = {}
    this.root.remove()
  }

  emit(event, detail) { for (const fn of [...this.handlers[event] ?? []]) fn(detail) }

  keepValid() { // what the new data no longer has is not selected
    const words = this.data.words?.length ?? 0, n = this.items()
    this.now.words = this.now.words.filter(k => k < words)
    this.now.hidden = this.now.hidden.filter(r => r < n)
    if (this.now.region >= n) this.now.region = null
    if (this.now.step > n) this.now.step = null
    if (this.now.region == null) this.pinned = false
    this.focus = clip(this.focus, 0, Math.max(0, words - 1))
  }

  // ---- what the data says

  items() { return this.data.area?.length ?? 0 }          // regions, and words of the prompt that were ranked
  steps() { return this.items() }
  step() { return this.now.step ?? this.steps() }
  revealing() { return this.step() < this.steps() }

  readLabels() {
    const at = this.data.labels
    this.labels = at ? decodeLabels(at) : null
    this.boxes = at ? boxesOf(this.labels, at.width, this.data.n) : []
    this.outlines = new Map()
  }

  readColours() {
    const table = hexes => (hexes?.length ? hexes : ["#000000", "#ffffff"]).map(rgb)
    this.heat = table(this.data.colours?.heat)
    this.diverging = table(this.data.colours?.signed)
  }

  pictures() { // image and fill of the data, loaded once however many updates wait for them
    const load = async src => { const i = new Image(); i.src = src; await i.decode(); return i }
    const {image, fill} = this.data
    if (this.coming?.image !== image || this.coming?.fill !== fill)
      this.coming = {image, fill, loaded: Promise.all([image && load(image.src), fill?.startsWith("data:") && load(fill)])}
    return this.coming
  }

  async readImages(round) {
    const coming = this.pictures(), {image, fill} = coming, pictures = await coming.loaded
    if (round !== this.round) return // the update that has overtaken this one shows them
    this.shown = coming
    this.picture = pictures[0] || null
    if (!this.picture) return
    const {width, height} = image
    for (const c of [this.base, this.map, this.cover]) Object.assign(c, {width, height})
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`)
    pen(this.base).drawImage(this.picture, 0, 0, width, height)
    this.grey = this.greyOf(this.base)
    this.fill = pictures[1] ? this.pixelsOf(pictures[1], width, height) : null
    this.colour = this.fill ? 0 : this.packed(rgb(fill || "#000000"), 255)
    this.pixels = new ImageData(width, height)
    this.covered = new ImageData(width, height)
    this.fit()
  }

  packed([r, g, b], a) { return (a << 24 | b << 16 | g << 8 | r) >>> 0 } // RGBA as canvases store it

  greyOf(canvas) {
    const {data} = pen(canvas).getImageData(0, 0, canvas.width, canvas.height)
    return Uint8Array.from({length: data.length/4}, (_, i) => .299*data[4*i] + .587*data[4*i + 1] + .114*data[4*i + 2])
  }

  pixelsOf(picture, width, height) {
    const canvas = make("canvas", {width, height}), to = pen(canvas)
    to.drawImage(picture, 0, 0, width, height)
    return new Uint32Array(to.getImageData(0, 0, width, height).data.buffer)
  }

  // The map of some words, of all where there are none: its own, or what each step of the whole order changes in them.
  mapOf(words) {
    const key = words.join()
    if (!this.maps.has(key)) this.maps.set(key, this.findMap(words))
    return this.maps.get(key)
  }

  findMap(words) {
    const maps = this.data.maps ?? [], whole = maps.find(m => !m.words.length), all = words.length === this.data.words?.length
    const own = maps.find(m => same(m.words, words)) ?? (all && whole ? {...whole, words} : null)
    if (own) return this.measured(own, own.estimated ? "estimated from the search" : "")
    if (!whole || !this.curves || !words.length) return null
    const columns = [...new Set(words.flatMap(k => this.data.words[k].tokens))]
    if (!columns.length) return null
    const curve = name => meanOf(columns.map(t => this.curves[name][t]))
    const map = {words, order: whole.order, insertion: curve("insertion"), deletion: curve("deletion")}
    return this.measured(map, "along the order of the whole answer")
  }

  measured(map, note) { // with gain and height of each item, rank of each item, area along the order
    const {order, insertion, deletion} = map, n = order.length, [insight, necessity] = this.data.lam ?? [1, 1]
    const gain = new Float64Array(n), rank = new Int32Array(n), area = new Float64Array(n + 1)
    order.forEach((item, k) => {
      gain[item] = insight*(insertion[k + 1] - insertion[k]) - necessity*(deletion[k + 1] - deletion[k])
      rank[item] = k
      area[k + 1] = Math.min(1, area[k] + this.data.area[item])
    })
    const height = map.height ?? gain, unit = (map.height ? this.data.unit : this.data.gains ?? this.data.unit) ?? PLAIN
    const max = height.reduce((a, b) => Math.max(a, b), 0), min = height.reduce((a, b) => Math.min(a, b), 0)
    const support = height.reduce((sum, x) => sum + Math.max(0, x), 0)
    return {...map, gain, rank, area, height, unit, max, min, support, note}
  }

  nothing(map) { // a sentence for a map that shows nothing
    if (!map) return ""
    const least = map.unit.least, size = Math.max(map.max, -map.min)
    const shown = this.now.signed ? size : map.max
    if (shown >= least && shown > 0) return ""
    const name = this.nameOf(map.words)
    if (size >= least && size > 0) return `regions only oppose ${name}: largest change ${signed(map.min)}`
    return `no region moves ${name}: largest change ${short(size)}`
  }

  scaleEnd(map) { // the value with the strongest colour
    const end = m => Math.max(m.max, this.now.signed ? -m.min : 0)
    if (this.data.vmax && map.unit.name === (this.data.unit ?? PLAIN).name) return this.data.vmax // given for this unit
    const all = this.now.shared && map.words.length ? this.data.words.map((_, k) => this.mapOf([k])) : []
    const words = all.filter(m => m?.unit.name === map.unit.name) // one scale has one unit
    return Math.max(...words.map(end), end(map), map.unit.least) || 1
  }

  label(k) { // a word; with a number where it occurs before
    const text = this.data.words[k].text.trim(), before = this.data.words.slice(0, k).filter(w => w.text.trim() === text).length
    return before ? `${text} (${before + 1})` : text
  }

  nameOf(words) {
    if (!words.length && !this.data.part) return "the whole answer"
    if (!words.length) words = [...this.data.words.keys()]
    const text = words.map(k => this.data.words[k]?.text.trim() ?? "…").join(" ")
    return `“${text.length > 40 ? text.slice(0, 39) + "…" : text}”`
  }

  itemName(item) {
    const regions = this.data.n ?? this.items()
    return item < regions ? `Region ${item}` : `Word “${this.data.items?.[item - regions] ?? "?"}” of the question`
  }

  // ---- the page

  build(el) {
    const id = this.id
    this.question = make("p", {class: "ev-question", dir: "auto"})
    this.chips = make("div", {class: "ev-chips", role: "group", "aria-label": "Words of the answer",
                              "aria-describedby": `${id}-help`})
    this.legend = make("div", {class: "ev-legend"})
    const help = make("p", {class: "ev-hidden", id: `${id}-help`},
      "Enter shows the map of a word, Shift and arrow keys extend to a span, Escape returns to the whole answer.")
    this.chosen = make("span")
    this.whole = make("button", {type: "button", class: "ev-button"}, "show the whole answer")
    this.text = make("section", {class: "ev-text", "aria-label": "Question and answer"}, this.question, this.chips,
                     this.legend, make("p", {class: "ev-chosen"}, this.chosen, this.whole), help)
    this.buildStage(id)
    this.buildPlot(id)
    this.card = make("section", {class: "ev-card", "aria-label": "Region"})
    this.table = make("details", {class: "ev-table"}, make("summary", {}, "All regions as a table"))
    this.table.addEventListener("toggle", () => this.drawTable())
    this.live = make("div", {class: "ev-live ev-hidden", "aria-live": "polite", role: "status"})
    const side = make("div", {class: "ev-side"}, this.text, this.plot, this.card, this.table)
    this.frame = make("div", {class: "ev-frame"}, this.figure, side)
    this.root = make("div", {class: "eagle-view", role: "region", "aria-label": this.options.label}, this.frame, this.live)
    this.listen()
    this.unshield = shieldKeys(this.root)
    el.append(this.root)
  }

  buildStage(id) {
    this.base = make("canvas", {class: "ev-base"})
    this.map = make("canvas", {class: "ev-map"})
    this.cover = make("canvas", {class: "ev-cover"})
    this.halo = make("path", {class: "ev-halo"})
    this.border = make("path", {class: "ev-border"})
    this.svg = make("svg", {class: "ev-outline", preserveAspectRatio: "none", "aria-hidden": "true"}, this.halo, this.border)
    this.tip = make("div", {class: "ev-tip", "aria-hidden": "true", hidden: true})
    this.stage = make("div", {class: "ev-stage", tabindex: 0, role: "application", "aria-describedby": `${id}-keys`,
                              "aria-roledescription": "explained image"},
                      this.base, this.map, this.cover, this.svg)
    this.scroll = make("div", {class: "ev-scroll"}, this.stage)
    this.note = make("p", {class: "ev-note", hidden: true})
    this.bar = make("div", {class: "ev-bar"})
    const keys = make("p", {class: "ev-hidden", id: `${id}-keys`},
      "Arrow keys go through the regions by rank, Home and End to the first and the last, Enter pins one, Escape leaves.")
    this.buildControls(id)
    this.figure = make("section", {class: "ev-figure", "aria-label": "Image"},
      make("div", {class: "ev-picture"}, this.scroll, this.tip), this.note, this.bar, keys, this.controls)
  }

  buildControls(id) {
    const slider = (name, label, max, step) => {
      const input = make("input", {type: "range", id: `${id}-${name}`, min: 0, max, step})
      const output = make("output", {for: `${id}-${name}`})
      return [input, output, make("div", {class: "ev-row ev-slider"}, make("label", {for: `${id}-${name}`}, label), input, output)]
    }
    const check = (name, label) => {
      const input = make("input", {type: "checkbox", id: `${id}-${name}`})
      return [input, make("label", {class: "ev-check"}, input, label)]
    }
    let revealRow, opacityRow, sharedRow, signedRow, toggleRow
    ;[this.reveal, this.revealText, revealRow] = slider("reveal", "Reveal", 0, 1)
    ;[this.opacity, this.opacityText, opacityRow] = slider("opacity", "Opacity", 100, 1)
    this.playing = make("button", {type: "button", class: "ev-play", "aria-label": "Play", title: "Play"}, "▶")
    revealRow.insertBefore(this.playing, this.reveal)
    this.path = make("select", {id: `${id}-path`},
      make("option", {value: "insertion"}, "add regions, from blank"),
      make("option", {value: "deletion"}, "remove regions, from whole"))
    const pathRow = make("div", {class: "ev-row"}, make("label", {for: `${id}-path`}, "Along the order"), this.path)
    ;[this.shared, sharedRow] = check("shared", "one scale for all words")
    ;[this.both, signedRow] = check("signed", "show opposing regions")
    ;[this.toggling, toggleRow] = check("toggle", "clicks hide and show regions")
    const checks = make("div", {class: "ev-checks"}, sharedRow, signedRow, ...(this.options.toggle ? [toggleRow] : []))
    this.controls = make("div", {class: "ev-controls"}, revealRow, pathRow, opacityRow, checks)
  }

  buildPlot(id) {
    this.graph = make("svg", {class: "ev-graph", role: "img"})
    this.reading = make("p", {class: "ev-reading"})
    this.plot = make("section", {class: "ev-plot", "aria-label": "Curves"}, this.reading, this.graph)
  }

  listen() {
    const input = (el, event, fn) => el.addEventListener(event, fn)
    input(this.stage, "pointermove", e => this.hover(e))
    input(this.stage, "pointerleave", () => { if (!this.pinned) this.point(null); this.tip.hidden = true })
    input(this.stage, "click", e => this.press(this.regionAt(e)))
    input(this.stage, "keydown", e => this.stageKey(e))
    input(this.chips, "click", e => { const k = this.chipOf(e.target); if (k != null) this.choose(k, e) })
    input(this.chips, "keydown", e => this.chipKey(e))
    input(this.chips, "pointerdown", e => { this.pressed = this.chipOf(e.target) })
    input(this.chips, "pointerup", e => this.endSpan(this.chipOf(e.target)))
    input(this.whole, "click", () => { this.anchor = null; this.select([]); this.focusChip(this.focus, true) })
    input(this.reveal, "input", () => { this.play(false); this.setStep(Number(this.reveal.value)) })
    input(this.reveal, "change", () => this.emitReveal())
    input(this.playing, "click", () => this.play(!this.timer))
    input(this.path, "change", () => { this.now.path = this.path.value; this.drawReveal(); this.emitReveal() })
    input(this.opacity, "input", () => { this.now.opacity = this.opacity.value/100; this.drawOpacity() })
    input(this.shared, "change", () => { this.now.shared = this.shared.checked; this.draw() })
    input(this.both, "change", () => { this.now.signed = this.both.checked; this.draw() })
    input(this.toggling, "change", () => { this.now.mode = this.toggling.checked ? "toggle" : "inspect" })
    input(this.graph, "pointermove", e => { this.cursor(this.stepAt(e)); if (e.buttons) this.setStep(this.stepAt(e)) })
    input(this.graph, "pointerdown", e => { this.graph.setPointerCapture(e.pointerId); this.setStep(this.stepAt(e)) })
    input(this.graph, "pointerup", () => this.emitReveal())
    input(this.graph, "pointerleave", () => this.cursor(null))
  }

  // ---- words

  chipOf(target) {
    const chip = target.closest?.(".ev-chip")
    return chip && this.chips.contains(chip) ? Number(chip.dataset.word) : null
  }

  choose(k, {shiftKey = false, ctrlKey = false, metaKey = false} = {}) {
    let words
    if (shiftKey && this.anchor != null) {
      const [a, b] = [this.anchor, k].sort((x, y) => x - y)
      words = Array.from({length: b - a + 1}, (_, i) => a + i)
    } else if (ctrlKey || metaKey) {
      words = this.now.words.includes(k) ? this.now.words.filter(x => x !== k) : [...this.now.words, k].sort((a, b) => a - b)
    } else words = same(this.now.words, [k]) ? [] : [k]
    if (!shiftKey || this.anchor == null) this.anchor = words.length ? k : null
    this.focusChip(k)
    this.select(words)
  }

  endSpan(k) { // the mouse was drawn over several words
    const from = this.pressed
    this.pressed = null
    if (from == null || k == null || from === k) return
    this.anchor = from
    this.choose(k, {shiftKey: true})
  }

  select(words) {
    if (same(words, this.now.words)) return
    this.now.words = words
    this.draw()
    this.say(this.selectionText())
    this.emit("select", {words: [...words]})
  }

  focusChip(k, move = false) {
    const all = this.chipList ?? []
    if (!all.length) return
    this.focus = clip(k, 0, all.length - 1)
    all.forEach((c, i) => { c.tabIndex = i === this.focus ? 0 : -1 })
    if (move) all[this.focus].focus()
  }

  chipKey(e) {
    const k = this.chipOf(e.target)
    if (k == null) return
    const right = this.data.direction === "rtl" ? -1 : 1
    const to = {ArrowRight: k + right, ArrowLeft: k - right, ArrowDown: k + 1, ArrowUp: k - 1, Home: 0,
                End: this.chipList.length - 1}[e.key]
    if (to != null) {
      const next = clip(to, 0, this.chipList.length - 1)
      this.focusChip(next, true)
      if (e.shiftKey) { this.anchor ??= k; this.choose(next, e) }
    } else if (e.key === "Enter" || e.key === " ") this.choose(k, e)
    else if (e.key === "Escape") { this.anchor = null; this.select([]) }
    else return
    e.preventDefault()
  }

  drawText() {
    const {question = "", text = [], words = [], direction, language, colours} = this.data
    this.question.textContent = question
    this.chips.dir = direction || "auto"
    if (language) this.chips.lang = language
    const known = words.filter(w => w.influence != null), top = Math.max(STRONG, ...known.map(w => w.influence))
    const focused = this.chipOf(this.chips.getRootNode().activeElement ?? {})
    this.chipList = []
    this.chips.replaceChildren(...this.pieces(text, words, top))
    this.chipList.sort((a, b) => a.dataset.word - b.dataset.word)
    this.legend.replaceChildren(...this.ramp(colours?.words, "0", short(top), "influence of the image on each word"))
    this.legend.hidden = !known.length
    this.focusChip(focused ?? this.focus, focused != null)
  }

  pieces(text, words, top) { // chips and the text between them; punctuation stays on the line of its word
    const nodes = []
    for (const part of text) {
      if (part.word != null) { nodes.push(this.chip(part, words[part.word], top)); continue }
      const [, close, rest] = /^(\S{0,3})([^]*)$/u.exec(part.text), last = nodes.at(-1)
      if (close && last?.matches?.(".ev-chip")) nodes[nodes.length - 1] = make("span", {class: "ev-group"}, last, close)
      else if (close) nodes.push(close)
      if (rest) nodes.push(rest)
    }
    return nodes
  }

  chip(part, word, top) {
    const known = word.influence != null, shades = known ? this.data.colours?.words ?? [] : []
    const title = known ? `influence of the image ${word.influence.toFixed(3)}` : "influence of the image: not measured yet"
    const chip = make("button", {type: "button", class: "ev-chip", "data-word": part.word, "aria-pressed": "false", title}, part.text)
    const shade = shades[Math.round(clip(word.influence/top, 0, 1)*(shades.length - 1))]
    if (shade) ["light", "light-text", "dark", "dark-text"].forEach((name, i) => chip.style.setProperty(`--${name}`, shade[i]))
    this.chipList.push(chip)
    return chip
  }

  ramp(shades, low, high, text) { // a scale of colours for both themes
    const strip = make("span", {class: "ev-ramp"})
    const stops = (shades ?? []).map(([light, , dark]) => `light-dark(${light}, ${dark})`)
    if (stops.length > 1) strip.style.background = `linear-gradient(to right, ${stops.join(", ")})`
    return [low, strip, high, make("span", {class: "ev-unit"}, text)]
  }

  // ---- the image

  fit() { // the size of the image on the screen, and of the curves
    const image = this.data.image
    if (image) {
      const room = (this.scroll.clientWidth || 408) - 8 // its padding, where the focus is drawn
      const tall = Math.max(240, Math.min(760, window.innerHeight*.78))
      let scale = Math.min(room/image.width, tall/image.height)
      scale = Math.max(scale, SMALLEST/Math.min(image.width, image.height))
      this.stage.style.width = `${image.width*scale}px`
      this.stage.style.height = `${image.height*scale}px`
      this.figure.style.setProperty("--shown", `${Math.max(360, image.width*scale)}px`)
      this.stage.classList.toggle("ev-coarse", scale > 4)
    }
    this.question.tabIndex = this.question.scrollHeight > this.question.clientHeight + 1 ? 0 : -1
    if (this.drawn) this.drawPlot()
  }

  draw() { // everything
    const map = this.drawn = this.mapOf(this.now.words)
    this.stage.hidden = !this.picture
    this.reveal.max = this.steps()
    this.path.value = this.now.path
    this.shared.checked = this.now.shared
    this.both.checked = this.now.signed
    this.toggling.checked = this.now.mode === "toggle"
    this.chipList.forEach(c => c.setAttribute("aria-pressed", this.now.words.includes(Number(c.dataset.word))))
    this.opacity.value = Math.round(100*this.now.opacity)
    this.plot.hidden = this.controls.hidden = this.table.hidden = !map
    this.stage.setAttribute("aria-label", this.stageText(map))
    this.drawChosen(map)
    this.drawMap(map)
    this.drawPlot()
    this.drawReveal()
    this.drawRegion()
    this.drawTable()
  }

  drawChosen(map) {
    const words = this.now.words, any = this.data.words?.length > 0
    const hint = any && map && this.data.words.length > 1 ? " Click a word to see its own, drag over several for a span." : ""
    this.chosen.textContent = !map ? "" : words.length ? `Map of ${this.nameOf(words)}${map.note ? `, ${map.note}` : ""}`
      : `Map of ${this.nameOf([])}.${hint}`
    this.whole.hidden = !words.length
  }

  drawMap(map) {
    const nothing = this.nothing(map), end = map ? this.scaleEnd(map) : 1
    this.note.textContent = nothing
    this.note.hidden = !nothing
    if (this.picture) this.paintMap(nothing ? null : map, end)
    this.drawBar(map, end)
    this.drawOpacity()
  }

  paintMap(map, end) { // as `plots.overlay`: colours over an image that is grey where the map is strong
    const {pixels, labels, grey} = this, out = new Uint32Array(pixels.data.buffer), n = this.data.n ?? 0
    const shades = new Uint32Array(64*n) // the colour of each region over 64 levels of grey
    const table = this.now.signed ? this.diverging : this.heat
    for (let r = 0; r < n; r++) {
      const place = map ? clip(map.height[r]/end, this.now.signed ? -1 : 0, 1) : 0, w = Math.abs(place)**RISE
      if (!w) continue
      const at = this.now.signed ? (place + 1)/2 : place, colour = table[Math.round(at*(table.length - 1))]
      const cover = 1 - (1 - GREY*w)*(1 - w)
      for (let k = 0; k < 64; k++) {
        const mixed = colour.map(c => (c*w + (4*k + 2)*GREY*w*(1 - w))/cover)
        shades[64*r + k] = this.packed(mixed, Math.round(255*cover))
      }
    }
    if (!labels) out.fill(0)
    else for (let i = 0; i < out.length; i++) out[i] = shades[labels[i] << 6 | grey[i] >> 2]
    pen(this.map).putImageData(pixels, 0, 0)
  }

  drawBar(map, end) {
    this.bar.hidden = !map
    if (!map) return
    const table = this.now.signed ? this.diverging : this.heat
    const faded = table.map((c, i) => {
      const x = i/(table.length - 1), w = Math.abs(this.now.signed ? 2*x - 1 : x)**RISE
      return `rgb(${c.join(" ")} / ${w.toFixed(3)})`
    })
    const strip = make("span", {class: "ev-ramp"})
    strip.style.backgroundImage = `linear-gradient(to right, ${faded.join(", ")})`
    this.bar.replaceChildren(this.now.signed ? short(-end) : "0", strip, short(end),
      make("span", {class: "ev-unit"}, map.unit.name))
  }

  drawOpacity() {
    this.map.style.opacity = this.revealing() ? 0 : this.now.opacity
    this.opacityText.textContent = `${Math.round(100*this.now.opacity)} %`
  }

  // ---- reveal

  setStep(k) {
    this.now.step = clip(k, 0, this.steps())
    if (this.now.step === this.steps()) this.now.step = null
    this.drawReveal()
  }

  emitReveal() { this.emit("reveal", {step: this.step(), path: this.now.path}) }

  play(on) {
    clearInterval(this.timer)
    this.timer = null
    if (on) {
      if (!this.revealing()) this.setStep(0)
      this.timer = setInterval(() => {
        this.setStep(this.step() + 1)
        if (!this.revealing()) { this.play(false); this.emitReveal() }
      }, 1000/PER_SECOND)
    }
    this.playing.textContent = on ? "❚❚" : "▶"
    this.playing.setAttribute("aria-label", on ? "Pause" : "Play")
    this.playing.title = on ? "Pause" : "Play"
  }

  drawReveal() {
    const map = this.drawn, k = this.step()
    this.reveal.value = k
    if (map && this.picture && this.labels) this.paintCover(map, k)
    if (map) {
      const verb = this.now.path === "insertion" ? "shown" : "removed", p = map[this.now.path][k]
      const gone = this.now.hidden.length, all = !this.revealing() && gone
      this.revealText.textContent = all ? `${this.steps() - gone} of ${this.steps()} shown`
        : `${k} of ${this.steps()} ${verb}, ${gone ? `${gone} more hidden` : `p ${p.toFixed(2)}`}`
      this.reveal.setAttribute("aria-valuetext", `${k} of ${this.steps()} regions ${verb}, ${percent(map.area[k])} of the image, ` +
                               `probability ${p.toFixed(3)}`)
    }
    this.drawOpacity()
    this.cursor(null)
  }

  paintCover(map, k) { // the fill where a region is hidden
    const {covered, labels, fill, colour} = this, out = new Uint32Array(covered.data.buffer)
    const inserting = this.now.path === "insertion", whole = !this.revealing(), off = new Uint8Array(this.data.n)
    for (let r = 0; r < off.length; r++) off[r] = whole ? 0 : inserting === map.rank[r] >= k
    for (const r of this.now.hidden) off[r] = 1
    if (!off.includes(1)) out.fill(0)
    else if (fill) for (let i = 0; i < out.length; i++) out[i] = off[labels[i]] ? fill[i] : 0
    else {
      const shown = Uint32Array.from(off, x => x ? colour : 0)
      for (let i = 0; i < out.length; i++) out[i] = shown[labels[i]]
    }
    pen(this.cover).putImageData(covered, 0, 0)
  }

  // ---- regions

  regionAt(e) {
    if (!this.labels || !this.picture) return null
    const box = this.stage.getBoundingClientRect(), {width, height} = this.data.labels
    const x = Math.floor((e.clientX - box.left)/box.width*width), y = Math.floor((e.clientY - box.top)/box.height*height)
    return this.labels[clip(y, 0, height - 1)*width + clip(x, 0, width - 1)]
  }

  hover(e) {
    const region = this.regionAt(e)
    if (!this.pinned) this.point(region)
    this.placeTip(region, e.clientX, e.clientY)
  }

  point(region) {
    if (region === this.now.region) return
    this.now.region = region
    this.drawRegion()
  }

  press(region) { // a click or Enter
    if (region == null) return
    if (this.now.mode === "toggle") this.toggle(region)
    else this.keep(region)
  }

  keep(region) { // pin it, or let it go
    this.pinned = !(this.pinned && this.now.region === region)
    this.now.region = region
    this.drawRegion()
    this.say(this.regionText(region))
    this.emit("region", {region: this.pinned ? region : null})
  }

  toggle(region) {
    if (region >= this.data.n) return
    const off = this.now.hidden.includes(region)
    this.now.hidden = off ? this.now.hidden.filter(r => r !== region) : [...this.now.hidden, region]
    this.now.region = region
    this.drawReveal()
    this.drawRegion()
    this.say(`${this.itemName(region)} ${off ? "shown" : "hidden"}, ${count(this.now.hidden.length, "region")} hidden`)
    this.emit("toggle", {hidden: [...this.now.hidden]})
  }

  stageKey(e) {
    const map = this.drawn
    if (!map) return
    const at = this.now.region == null ? -1 : map.rank[this.now.region], last = this.items() - 1
    const to = {ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: last}[e.key]
    if (to != null) {
      this.point(map.order[clip(to, 0, last)])
      this.say(this.regionText(this.now.region))
      this.tip.hidden = true
    } else if (e.key === "Enter" || e.key === " ") this.press(this.now.region)
    else if (e.key === "Escape") { this.pinned = false; this.point(null); this.tip.hidden = true }
    else return
    e.preventDefault()
  }

  outlineOnly(r) {
    const path = r == null || r >= this.data.n ? "" : this.outline(r)
    this.halo.setAttribute("d", path)
    this.border.setAttribute("d", path)
    this.svg.classList.toggle("ev-pinned", this.pinned)
  }

  drawRegion() {
    const r = this.now.region
    this.outlineOnly(r)
    this.drawCard(r)
    if (this.drawn) this.cursor(r == null ? null : this.drawn.rank[r] + 1)
  }

  outline(r) {
    if (!this.outlines.has(r)) this.outlines.set(r, outlinePath(this.labels, this.data.labels.width, r, this.boxes[r]))
    return this.outlines.get(r)
  }

  placeTip(region, x, y) {
    const map = this.drawn
    this.tip.hidden = region == null || !map
    if (this.tip.hidden) return
    if (this.tipped !== region || this.tippedMap !== map) {
      const [best] = this.shares(region), most = best ? `\n${percent(best.share)} of “${best.text}”` : ""
      this.tip.textContent = `Region ${region} · rank ${map.rank[region] + 1}\ngain ${signed(map.gain[region])}${most}`
      Object.assign(this, {tipped: region, tippedMap: map})
    }
    const box = this.scroll.parentNode.getBoundingClientRect(), left = x - box.left, width = 170
    this.tip.style.transform = `translate(${left + 14 + width > box.width ? left - width - 8 : left + 14}px, ${y - box.top + 14}px)`
  }

  facts(r) { // name and text of what is known of an item
    const map = this.drawn, k = map.rank[r]
    const rows = [["rank", `${k + 1} of ${this.items()}`], ["gain", signed(map.gain[r])]]
    if (map.value) rows.push(["value", `${signed(map.value[r])}${map.std ? ` ± ${map.std[r].toFixed(3)}` : ""}`])
    rows.push(["area", percent(this.data.area[r])])
    return rows
  }

  shares(r) { // its part of all that supports each word, the largest first
    const found = []
    for (const k of (this.data.words ?? []).keys()) {
      const map = this.mapOf([k])
      if (map && map.max >= map.unit.least && map.height[r] >= .005*map.support) found.push({k, text: this.label(k), share: map.height[r]/map.support})
    }
    return found.sort((a, b) => b.share - a.share)
  }

  regionText(r) {
    if (r == null || !this.drawn) return ""
    const facts = this.facts(r).map(([name, text]) => `${name} ${text}`).join(", ")
    const best = this.shares(r).slice(0, 5).map(s => `${s.text} ${percent(s.share)}`).join(", ")
    return `${this.itemName(r)}: ${facts}${best ? `; share in ${best}` : ""}`
  }

  drawCard(r) {
    if (!this.drawn) return this.card.replaceChildren()
    if (r == null) return this.drawFirst(this.drawn)
    const facts = make("dl", {class: "ev-facts"}, ...this.facts(r).map(([name, text]) =>
      make("div", {}, make("dt", {}, name), make("dd", {}, text))))
    const title = make("p", {class: "ev-title"}, this.itemName(r))
    if (this.pinned) title.append(this.button("unpin", () => { this.keep(r); this.point(null); this.stage.focus() }))
    const shares = this.shares(r), rows = shares.slice(0, 8).map(s => this.barRow(make("bdi", {class: "ev-word"}, s.text), s.share, percent(s.share)))
    const head = shares.length ? "Share of what supports each word" : "No word owes it half a percent or more."
    this.card.replaceChildren(title, facts, make("p", {class: "ev-help"}, head), make("div", {class: "ev-shares"}, ...rows))
  }

  drawFirst(map) { // where no region is pointed at: the first of the order
    const end = Math.max(...map.gain.map(Math.abs)) || 1, unit = (this.data.gains ?? PLAIN).name
    const hint = `Point at a region of the image, or click to ${this.now.mode === "toggle" ? "hide" : "pin"} it. Numbers here: ${unit}.`
    const rows = Array.from(map.order.slice(0, 6), r => {
      const row = this.barRow(this.button(this.itemName(r), () => this.keep(r)), map.gain[r]/end, signed(map.gain[r]))
      row.addEventListener("pointerenter", () => this.outlineOnly(r))
      row.addEventListener("pointerleave", () => this.outlineOnly(this.now.region))
      return row
    })
    this.card.replaceChildren(make("p", {class: "ev-title"}, `First regions for ${this.nameOf(map.words)}`),
      make("p", {class: "ev-help"}, hint),
      make("div", {class: "ev-shares"}, ...rows))
  }

  button(text, press) {
    const button = make("button", {type: "button", class: "ev-link"}, text)
    button.addEventListener("click", press)
    return button
  }

  barRow(name, share, number) {
    const bar = make("span", {class: "ev-share"})
    bar.style.setProperty("--share", clip(share, 0, 1))
    return make("div", {}, name, bar, make("span", {class: "ev-number"}, number))
  }

  // ---- curves

  drawPlot() {
    const map = this.drawn
    if (!map) return
    const width = Math.max(260, this.plot.clientWidth || 400), height = Math.round(clip(.42*width, 150, 240))
    const inset = {left: 38, right: 10, top: 8, bottom: 32}
    const peak = Math.max(...map.insertion, ...map.deletion), top = [.05, .1, .2, .5, 1].find(t => peak <= t) ?? 1
    const x = a => inset.left + a*(width - inset.left - inset.right)
    const y = p => height - inset.bottom - p/top*(height - inset.top - inset.bottom)
    this.axes = {x, y, inset, width, height}
    const line = (name, p) => make("path", {class: `ev-curve ev-${name}`,
      d: Array.from(p, (v, k) => `${k ? "L" : "M"}${x(map.area[k]).toFixed(1)} ${y(v).toFixed(1)}`).join("")})
    const ticks = [0, .5, 1].flatMap(t => [
      make("line", {class: "ev-grid", x1: x(0), x2: x(1), y1: y(t*top), y2: y(t*top)}),
      make("text", {x: x(0) - 5, y: y(t*top) + 4, "text-anchor": "end"}, short(t*top)),
      make("text", {x: x(t), y: height - inset.bottom + 14, "text-anchor": t === 1 ? "end" : "middle"}, percent(t))])
    this.marks = {line: make("line", {class: "ev-cursor", y1: inset.top, y2: height - inset.bottom}),
                  insertion: make("circle", {class: "ev-insertion", r: 4}), deletion: make("circle", {class: "ev-deletion", r: 4})}
    this.graph.setAttribute("viewBox", `0 0 ${width} ${height}`)
    this.graph.setAttribute("aria-label", this.plotText(map))
    this.graph.replaceChildren(...ticks, make("text", {x: (x(0) + x(1))/2, y: height - 4, "text-anchor": "middle"}, "share of the image"),
      line("deletion", map.deletion), line("insertion", map.insertion), ...Object.values(this.marks))
    this.cursor(null)
  }

  stepAt(e) { // the nearest step
    const box = this.graph.getBoundingClientRect(), {inset, width} = this.axes, area = this.drawn.area
    const a = ((e.clientX - box.left)/box.width*width - inset.left)/(width - inset.left - inset.right)
    let best = 0
    for (let k = 1; k < area.length; k++) if (Math.abs(area[k] - a) < Math.abs(area[best] - a)) best = k
    return best
  }

  cursor(k) { // at a step; null for that of the slider
    const map = this.drawn
    if (!map || !this.marks) return
    const at = k ?? this.step(), {x, y} = this.axes, px = x(map.area[at])
    this.marks.line.setAttribute("x1", px)
    this.marks.line.setAttribute("x2", px)
    for (const name of ["insertion", "deletion"]) {
      this.marks[name].setAttribute("cx", px)
      this.marks[name].setAttribute("cy", y(map[name][at]))
    }
    const value = name => make("span", {class: `ev-key ev-${name}`}, `${name} ${map[name][at].toFixed(3)}`)
    const place = make("span", {}, make("span", {class: "ev-wide"}, "Probability at "), `${count(at, "region")}, ${percent(map.area[at])}`)
    this.reading.replaceChildren(place, value("insertion"), value("deletion"))
  }

  // ---- text

  plotText(map) {
    const [i, d] = [map.insertion, map.deletion].map(c => areaUnder(map.area, c).toFixed(3))
    const n = map.area.length - 1
    return `Probability of ${this.nameOf(map.words)}: insertion from ${map.insertion[0].toFixed(2)} to ${map.insertion[n].toFixed(2)}, ` +
      `area under the curve ${i}; deletion from ${map.deletion[0].toFixed(2)} to ${map.deletion[n].toFixed(2)}, area under the curve ${d}`
  }

  stageText(map) {
    return map ? `Image with ${count(this.data.n, "region")}, map of ${this.nameOf(map.words)}` : "Image"
  }

  selectionText() {
    const map = this.drawn, words = this.now.words
    if (!map) return `${this.nameOf(words)}: no map yet`
    const nothing = this.nothing(map), first = Array.from(map.order.slice(0, 3), r => this.itemName(r)).join(", ")
    return `Map of ${this.nameOf(words)}. ${nothing ? nothing + "." : `Most important: ${first}.`} ${this.plotText(map)}`
  }

  say(text) { this.live.textContent = text }

  drawTable() {
    const map = this.drawn
    if (!this.table.open || !map) return
    const names = ["rank", "item", "gain", ...(map.value ? ["value"] : []), "area", "insertion", "deletion"]
    const rows = Array.from(map.order, (r, k) => [k + 1, this.itemName(r), signed(map.gain[r]), ...(map.value ? [signed(map.value[r])] : []),
      percent(this.data.area[r]), map.insertion[k + 1].toFixed(3), map.deletion[k + 1].toFixed(3)])
    const table = make("table", {}, make("caption", {}, `Map of ${this.nameOf(map.words)}`),
      make("thead", {}, make("tr", {}, ...names.map(t => make("th", {scope: "col"}, t)))),
      make("tbody", {}, ...rows.map(cells => make("tr", {}, ...cells.map(t => make("td", {}, t))))))
    this.table.replaceChildren(this.table.firstChild, make("div", {class: "ev-rows", tabindex: 0, role: "region", "aria-label": "Table of regions"}, table))
  }
}
