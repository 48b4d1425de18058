// What the pages of explorer and scene editor share: controls, messages and the row that says what is going on.
// Joined after view.js, of which it uses `make`, `clip` and `shieldKeys`. The kernel gets messages {do, serial, ...}.

const BUSY = ["answering", "searching", "working", "paused"]
const GONE = "the kernel is gone or was restarted, and this widget with it: run the cell again"
let pages = 0

class Page {
  constructor(model, name) {
    this.model = model
    this.id = `eagle-${name}-${++pages}`
    this.serial = model.get("live").serial ?? 0  // number of the latest message, which the kernel sends back
    this.seen = {}                               // what parts were drawn from, as text
  }

  listen(events) { // [name, function] of the model
    this.listeners = [...events, ["comm_live_update", () => this.say(GONE)]] // the next message of a kernel takes its place
    for (const [event, fn] of this.listeners) this.model.on(event, fn)
  }

  close() {
    this.unshield()
    for (const [event, fn] of this.listeners) this.model.off(event, fn)
    this.root.remove()
  }

  get live() { return this.model.get("live") }

  send(what, detail = {}, buffers = []) {
    this.model.send({do: what, serial: ++this.serial, ...detail}, undefined, buffers)
  }

  frame(el, label, more, ...children) { // the root of the page
    this.root = make("div", {class: `eagle-explorer ${more}`, role: "region", "aria-label": label}, ...children)
    this.unshield = shieldKeys(this.root)
    el.append(this.root)
  }

  // ---- controls

  button(text, press, more = {}) {
    const button = make("button", {type: "button", class: "ex-button", ...more}, text)
    button.addEventListener("click", press)
    return button
  }

  field(name, label, control) {
    control.id = `${this.id}-${name}`
    return make("span", {class: "ex-field"}, make("label", {for: control.id}, label), control)
  }

  form(button, submit, ...fields) {
    const form = make("form", {class: "ex-row"}, ...fields, button)
    form.noValidate = true // the kernel says what is wrong
    form.addEventListener("submit", e => { e.preventDefault(); submit() })
    return form
  }

  submit(text, more = "") { return make("button", {type: "submit", class: `ex-button ${more}`}, text) }

  buildQuestion(ask) {
    this.question = make("input", {type: "text", class: "ex-question", autocomplete: "off", spellcheck: "false"})
    return this.form(this.submit("Ask", "ex-main"), () => ask(this.question.value), this.field("question", "Question", this.question))
  }

  buildWork(...more) {
    this.status = make("p", {class: "ex-status", role: "status", "aria-live": "polite"})
    this.numbers = make("span", {class: "ex-numbers"})
    this.bar = make("progress", {class: "ex-bar", max: 1, value: 0, "aria-label": "Progress of the work"})
    this.cancel = this.button("Cancel", () => this.send("cancel"))
    return make("div", {class: "ex-row ex-work"}, this.status, this.numbers, this.bar, ...more, this.cancel)
  }

  meter(x) {
    const bar = make("span", {class: "ex-meter"})
    bar.style.setProperty("--share", clip(x, 0, 1))
    return bar
  }

  // ---- what the kernel says

  say(text) { if (this.status.textContent !== text) this.status.textContent = text }

  changed(name, value) { // is this another value than the one that was drawn?
    const text = JSON.stringify(value)
    if (this.seen[name] === text) return false
    this.seen[name] = text
    return true
  }

  draw(data) { // the view, with the selection of the kernel unless the reader has clicked since
    const {serial, selected, hidden} = this.live
    this.view.update(data, serial === this.serial ? {words: selected ?? [], hidden: hidden ?? []} : {})
  }

  drawWork(live) { // status, progress and selection; whether something is going on
    const busy = BUSY.includes(live.status), chosen = this.view.state().words
    this.say(live.refused ? live.message : [live.status, live.message].filter(Boolean).join(": "))
    this.bar.value = live.progress ?? 0
    this.bar.hidden = this.cancel.hidden = !busy
    this.numbers.textContent = live.forwards ? `${live.forwards} forwards, ${live.seconds.toFixed(1)} s` : ""
    if (live.prompt && this.changed("prompt", live.prompt)) this.question.value = live.prompt
    if (live.serial === this.serial && live.selected && chosen.join() !== live.selected.join()) this.draw({})
    return busy
  }
}
