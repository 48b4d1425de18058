// The explorer: controls around a `View`. Joined after view.js and page.js into one module, of which it uses `View`, `make`
// and `Page`.
// The kernel sends plain data in four traits (picture, view, live, pair) and gets messages {do, ...} back.
// Text of models and users only ever becomes text nodes and attributes, never markup.

const TABS = [["map", "Map and curves"], ["modality", "Modality"], ["hallucination", "Hallucination"],
              ["compare", "Compare"], ["history", "History"], ["python", "Python"]]
const LARGE = 4_000_000   // bytes of a file that is scaled down before it is sent: servers refuse large messages
const SIDE = 2048         // pixels of its longer side then
const LARGEST = 9_000_000 // bytes of a saved explanation that is sent; Jupyter takes messages of up to 10 MiB
const SAVED = ".safetensors"
const QUESTION = "Describe the image."

class ExplorerPage extends Page {
  constructor(model, el) {
    super(model, "explorer")
    this.build(el)
    this.view = new View(this.panels.map, {toggle: true, label: "Explanation"})
    this.view.on("select", ({words}) => this.send("select", {words}))
    this.view.on("toggle", ({hidden}) => this.send("hide", {regions: hidden}))
    this.listen([["change:picture", () => this.drawPicture()], ["change:view", () => this.drawAnswer()],
                 ["change:pair", () => this.drawPair()], ["change:live", () => this.drawLive()],
                 ["msg:custom", (message, buffers) => this.receive(message, buffers)]])
    this.drawPicture()
    this.drawPair()
    this.drawLive()
  }

  close() {
    for (const view of [this.view, ...this.pair ?? []]) view.close()
    super.close()
  }

  receive(message, buffers) { // a file to save
    if (message.do !== "file") return
    const url = URL.createObjectURL(new Blob([buffers[0]], {type: message.type}))
    const link = make("a", {href: url, download: message.name, class: "ex-link"}, `Save ${message.name}`)
    const asked = navigator.userActivation?.isActive ?? true
    if (asked) link.click()
    this.saved.replaceChildren(asked ? `${message.name} is in the downloads of the browser` : link) // late files wait for a click
    setTimeout(() => { URL.revokeObjectURL(url); link.remove() }, 600_000)
  }

  // ---- the page

  build(el) {
    this.pause = this.button("Pause", () => this.send(this.live.status === "paused" ? "resume" : "pause"))
    this.reading = make("p", {class: "ex-now", "aria-live": "polite"})
    const question = this.buildQuestion(question => this.ask(question))
    this.question.value = QUESTION
    this.frame(el, "Explorer", "", this.buildImage(), question, this.buildSettings(), this.buildWork(this.pause), this.buildTabs(),
               this.buildPanels(), this.reading, this.buildExports())
    this.root.addEventListener("paste", e => this.take(e.clipboardData?.files, e))
    this.root.addEventListener("dragover", e => { e.preventDefault(); this.root.classList.add("ex-drop") })
    this.root.addEventListener("dragleave", () => this.root.classList.remove("ex-drop"))
    this.root.addEventListener("drop", e => { this.root.classList.remove("ex-drop"); this.take(e.dataTransfer?.files, e) })
  }

  select(options, value) {
    return make("select", {}, ...options.map(o => make("option", {value: o, selected: o === value}, o)))
  }

  file(send, accept = "image/*") {
    const input = make("input", {type: "file", accept, class: "ex-file"})
    input.addEventListener("change", () => { send(input.files); input.value = "" })
    return input
  }

  buildImage() {
    this.samples = this.select(["choose one …"])
    this.samples.addEventListener("change", () => {
      if (this.samples.selectedIndex) this.send("sample", {name: this.samples.value})
    })
    return make("div", {class: "ex-row"}, this.field("sample", "Sample", this.samples),
      this.field("file", "or a file", this.file(files => this.take(files), `image/*,${SAVED}`)),
      make("span", {class: "ex-help"}, "or paste or drop an image or a saved explanation here"))
  }

  ask(question) { // with the settings that were typed and not sent
    const settings = this.unsent ? this.chosen() : {}
    if (!settings) return
    this.send("ask", {question, settings})
    this.unsent = false
  }

  buildSettings() {
    const number = (min, max, step) => make("input", {type: "number", min, max, step})
    this.settings = {regions: number(1, 1000, 1), partition: this.select([]), fill: this.select([]),
                     insight: number(0, 10, .1), necessity: number(0, 10, .1), search: this.select([]),
                     budget: make("input", {type: "text", placeholder: "its own", size: 8}), seed: number(0, 1e9, 1)}
    const labels = {regions: "Regions", partition: "made by", fill: "Hidden regions show", insight: "λ insight",
                    necessity: "λ necessity", search: "Search", budget: "Budget (forwards, or 30s)", seed: "Seed"}
    const fields = Object.entries(this.settings).map(([name, control]) => this.field(name, labels[name], control))
    const form = this.form(this.submit("Explain with these"), () => {
      const settings = this.chosen()
      if (!settings) return
      this.send("set", {settings})
      this.unsent = false
    }, ...fields)
    form.addEventListener("input", () => { this.unsent = true })
    return make("details", {class: "ex-settings"}, make("summary", {}, "Settings"), form)
  }

  chosen() { // the settings as the kernel takes them; null where a number is missing
    const empty = Object.values(this.settings).find(c => c.type === "number" && c.value.trim() === "")
    if (empty) {
      this.say(`${empty.labels[0].textContent} is empty or no number: type one`)
      return null
    }
    const {regions, partition, fill, insight, necessity, search, budget, seed} = this.settings
    const n = Number(regions.value), text = budget.value.trim()
    const made = partition.value === "slico" ? n : partition.value === "tokens" ? "tokens" : `${partition.value} ${n}`
    return {regions: made, fill: fill.value, lam: [Number(insight.value), Number(necessity.value)], search: search.value,
            budget: text === "" ? null : /^\d+$/.test(text) ? Number(text) : text, seed: Number(seed.value)}
  }

  buildTabs() {
    this.tabs = TABS.map(([name, label]) => this.button(label, () => this.open(name), {
      role: "tab", id: `${this.id}-tab-${name}`, "aria-controls": `${this.id}-panel-${name}`, class: "ex-tab"}))
    const list = make("div", {class: "ex-tabs", role: "tablist", "aria-label": "What is shown"}, ...this.tabs)
    list.addEventListener("keydown", e => {
      const k = this.tabs.indexOf(e.target), last = this.tabs.length - 1
      const to = {ArrowRight: k === last ? 0 : k + 1, ArrowLeft: k === 0 ? last : k - 1, Home: 0, End: last}[e.key]
      if (k < 0 || to == null) return
      e.preventDefault()
      this.open(TABS[to][0])
      this.tabs[to].focus()
    })
    return list
  }

  buildPanels() {
    this.panels = Object.fromEntries(TABS.map(([name]) => [name, make("div", {class: "ex-panel", role: "tabpanel",
      id: `${this.id}-panel-${name}`, "aria-labelledby": `${this.id}-tab-${name}`})]))
    this.buildHallucination(this.panels.hallucination)
    this.buildCompare(this.panels.compare)
    this.listing = make("pre", {class: "ex-code", tabindex: 0, "aria-label": "Python that reproduces this"})
    this.panels.python.append(this.listing)
    this.open("map")
    return make("div", {class: "ex-panels"}, ...Object.values(this.panels))
  }

  open(name) {
    this.reading.hidden = name !== "map" // it is about regions that are hidden there
    TABS.forEach(([tab], k) => {
      const on = tab === name
      this.panels[tab].hidden = !on
      this.tabs[k].setAttribute("aria-selected", on)
      this.tabs[k].tabIndex = on ? 0 : -1
    })
  }

  buildExports() {
    const kinds = [["png", "PNG"], ["html", "HTML page"], ["save", "Explanation"], ["code", "Python"]]
    this.saved = make("span", {"aria-live": "polite"})
    return make("div", {class: "ex-row", role: "group", "aria-label": "Export"}, make("span", {class: "ex-help"}, "Save as"),
                ...kinds.map(([kind, label]) => this.button(label, () => this.send("export", {kind}), {"data-export": kind})), this.saved)
  }

  buildHallucination(panel) {
    this.right = make("input", {type: "text", autocomplete: "off"})
    const form = this.form(this.submit("Find what misled it"), () => this.send("correct", {word: this.right.value}),
                           this.field("right", "The model should have said", this.right))
    this.repair = make("div", {class: "ex-repair"})
    panel.append(make("p", {class: "ex-help"}, "Select the wrong word in the answer, type the right one, and see which " +
                      "regions speak against it and what the model answers without them."), form, this.repair)
  }

  buildCompare(panel) {
    const controls = {search: this.select([]), fill: this.select([]), model: make("input", {type: "text", size: 18})}
    this.compared = controls
    const row = (name, label) => make("div", {class: "ex-row"}, this.field(`compare-${name}`, label, controls[name]),
      this.button("Compare", () => this.send("compare", {name, value: controls[name].value}), {"aria-label": `Compare with this ${name}`}))
    const image = this.field("compare-image", "another image", this.file(files => this.take(files, null, "compare image")))
    this.pairText = make("p", {class: "ex-reading"})
    this.pairAt = make("div", {class: "ex-pair"})
    panel.append(row("search", "another search"), row("fill", "another fill"), row("model", "another model"),
                 make("div", {class: "ex-row"}, image), this.pairText, this.pairAt)
  }

  // ---- images

  async take(files, event = null, what = "image") { // the first file of an upload, a paste or a drop
    const file = files?.[0]
    if (!file) return
    event?.preventDefault()
    if (what === "image" && file.name.endsWith(SAVED)) return this.load(file)
    try { this.send(what, {name: file.name}, [await this.bytes(file)]) }
    catch { this.say(`“${file.name}” is no image that this browser can read: choose a PNG or JPEG file`) }
  }

  async load(file) {
    if (file.size > LARGEST) return this.say(`“${file.name}” is too large for a message to the kernel: load it there, by load(path)`)
    this.send("load", {name: file.name}, [await file.arrayBuffer()])
  }

  async bytes(file) {
    if (file.size <= LARGE) return file.arrayBuffer()
    const picture = await createImageBitmap(file), scale = Math.min(1, SIDE/Math.max(picture.width, picture.height))
    const canvas = make("canvas", {width: Math.round(scale*picture.width), height: Math.round(scale*picture.height)})
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height)
    const blob = await new Promise(done => canvas.toBlob(done, "image/jpeg", .92))
    return blob.arrayBuffer()
  }

  // ---- what the kernel says

  drawPicture() { this.draw({...this.model.get("picture"), ...this.model.get("view")}) }
  drawAnswer() { this.draw(this.model.get("view")) }

  drawLive() {
    const live = this.live
    this.pause.hidden = !this.drawWork(live)
    this.pause.textContent = live.status === "paused" ? "Resume" : "Pause"
    if (live.tab && this.changed("tab", live.tab)) this.open(live.tab)
    this.drawReading(live)
    this.drawControls(live)
    this.drawLists(live)
  }

  drawReading({p_hidden: p, hidden, estimated}) {
    const parts = []
    if (estimated) parts.push("The map is an estimate so far; the search goes on.")
    if (p && hidden.length) {
      const changed = p.words.filter(w => Math.abs(w.p - w.whole) > .02).sort((a, b) => a.p - a.whole - b.p + b.whole).slice(0, 4)
      parts.push(`Without ${count(hidden.length, "region")}: p = ${p.p.toFixed(3)}, ${p.whole.toFixed(3)} with the whole image.`)
      if (changed.length) parts.push(changed.map(w => `“${w.word}” ${w.whole.toFixed(2)} → ${w.p.toFixed(2)}`).join(", "))
    }
    const text = parts.join(" ")
    if (this.reading.textContent !== text) this.reading.textContent = text
  }

  drawControls({samples, sample, choices, settings, code}) {
    const fill = (menu, options, value) => menu.replaceChildren(...options.map(o =>
      make("option", {value: o, selected: o === value}, o)))
    if (this.changed("samples", samples)) fill(this.samples, ["choose one …", ...samples ?? []])
    if (this.changed("sample", [samples, sample])) this.samples.selectedIndex = (samples ?? []).indexOf(sample) + 1
    if (this.changed("settings", [choices, settings]) && settings) {
      const s = this.settings, [method, n] = typeof settings.regions === "number" ? ["slico", settings.regions]
        : [...String(settings.regions).split(" "), 64]
      fill(s.partition, [...choices.partition.filter(p => p !== "tokens"), "tokens"], method)
      fill(s.fill, choices.fill, settings.fill)
      fill(s.search, choices.search, settings.search)
      fill(this.compared.search, choices.search, "exact")
      fill(this.compared.fill, choices.fill, "mean")
      Object.assign(s.regions, {value: n})
      Object.assign(s.insight, {value: settings.lam[0]})
      Object.assign(s.necessity, {value: settings.lam[1]})
      Object.assign(s.budget, {value: settings.budget ?? ""})
      Object.assign(s.seed, {value: settings.seed})
    }
    if (this.listing.textContent !== code) this.listing.textContent = code ?? ""
  }

  drawLists({words, history, correction, compare}) {
    if (this.changed("words", words)) this.drawModality(words ?? [])
    if (this.changed("history", history)) this.drawHistory(history ?? [])
    if (this.changed("correction", correction)) this.drawCorrection(correction)
    if (this.changed("compare", compare)) this.drawComparison(compare)
  }

  table(head, rows) {
    const names = head.map(text => text ? make("th", {scope: "col"}, text) : make("td"))
    const number = c => typeof c === "string" && /^[\d., ]+$/.test(c) ? {class: "ex-number"} : {}
    const cells = row => row.map(c => make("td", {dir: "auto", ...number(c)}, c))
    return make("table", {class: "ex-table"}, make("thead", {}, make("tr", {}, ...names)),
                make("tbody", {}, ...rows.map(r => make("tr", {}, ...cells(r)))))
  }

  drawModality(words) {
    const known = words.map((w, k) => ({...w, k})).filter(w => w.influence != null).sort((a, b) => b.influence - a.influence)
    const decided = known.some(w => w.decision), names = {evidence: "the image", prior: "the language prior"}
    const more = w => decided ? [w.decision ? `${w.mean.toFixed(3)} (${w.lower.toFixed(3)} to ${w.upper.toFixed(3)})` : "", names[w.decision] ?? w.decision ?? ""] : []
    const rows = known.map(w => [this.button(w.text, () => { this.open("map"); this.view.select([w.k]) }, {class: "ex-link"}),
                                 this.meter(w.influence/(known[0].influence || 1)), w.influence.toFixed(3), ...more(w)])
    const decide = this.button("Decide, with intervals", () => this.send("decide"), {title: "Measure the influence along eight orders"})
    this.panels.modality.replaceChildren(make("p", {class: "ex-help"}, known.length
      ? "Influence of the image on each word: high for what was seen, low for what the language model expects anyway."
      : "The influence of the image on each word is known once the search for the whole answer is done."),
      ...known.length ? [make("div", {class: "ex-row"}, decide),
        this.table(["word", "", "influence", ...decided ? ["along eight orders (95 %)", "rests on"] : []], rows)] : [])
  }

  drawHistory(history) {
    const rows = history.map((h, i) => [this.button(h.target.trim() || "all", () => { this.send("back", {i}); this.open("map") }, {class: "ex-link"}),
      `${h.prompt} ${h.search}, ${h.regions} regions (${h.partition}), ${h.fill}, λ ${h.lam.join(" and ")}, seed ${h.seed}` +
      (h.budget == null ? "" : `, budget ${h.budget}`), `${h.forwards}`, `${h.insertion_auc.toFixed(3)}, ${h.deletion_auc.toFixed(3)}`])
    this.panels.history.replaceChildren(history.length
      ? this.table(["explained", "question and settings", "forwards", "insertion, deletion AUC"], rows)
      : make("p", {class: "ex-help"}, "Finished explanations appear here; choose one to go back to it."))
  }

  drawCorrection(c) {
    if (!c) return this.repair.replaceChildren()
    const show = this.button("Hide these regions in the map", () => {
      this.view.update({}, {hidden: c.blamed, mode: "toggle"})
      this.send("hide", {regions: c.blamed})
      this.open("map")
    })
    this.repair.replaceChildren(make("p", {}, c.verdict), this.table(["", "answer"],
      [["as it is", c.answer], [c.corrected ? "repaired" : "last try", c.repaired]]), ...c.blamed.length ? [show] : [])
  }

  drawComparison(c) {
    if (!c) return
    const {first, second, rank_correlation: r} = c
    const line = s => `${s.name}: insertion AUC ${s.insertion_auc.toFixed(3)}, deletion AUC ${s.deletion_auc.toFixed(3)}, ${s.forwards} forwards.`
    this.pairText.textContent = `${line(first)} ${line(second)}` + (r == null ? "" : ` Rank correlation of the maps ${r.toFixed(2)}.`)
  }

  drawPair() {
    const {first, second} = this.model.get("pair") ?? {}
    if (!first) return
    this.pair ??= ["First", "Second"].map(label => {
      const at = make("div", {}, make("h3", {class: "ex-title"}))
      this.pairAt.append(at)
      return new View(at, {label: `${label} explanation of the comparison`})
    })
    ;[first, second].forEach((data, k) => {
      this.pairAt.children[k].firstChild.textContent = data.title
      this.pair[k].update(data)
    })
  }
}

export default {
  render({model, el}) {
    const page = new ExplorerPage(model, el)
    return () => page.close()
  }
}
