// What a panel is doing, and whether its figure is of the values of its knobs.
// The kernel reports what it knows. While it is busy it hears of no knob and no click, so the browser
// compares its own knobs with the values in the last report: where they differ, the kernel has yet to hear.

const WORDS = { waiting: "waiting for the kernel", working: "working", ready: "done", cancelled: "cancelled", failed: "failed" }
const ASKS = { working: "cancel", cancelled: "again", failed: "again" }   // what a click asks for, if it asks for anything
const BUTTONS = { cancel: "Cancel", again: "Try again" }
const BEFORE = "the figure is of the values before"

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b)

function element(tag, className, parent) {
    const e = document.createElement(tag)
    e.className = className
    parent.append(e)
    return e
}

export default () => {
    let knobs = []      // [name, model, trait]
    let clicks = 0      // how often the button was clicked, as far as this page knows

    function values() {
        return Object.fromEntries(knobs.map(([name, knob, trait]) => [name, knob.serialize({ [trait]: knob.get(trait) })[trait]]))
    }

    function state(report) {
        const now = values()
        const known = name => same(now[name], report.values[name])
        const waiting = clicks > report.clicks || !Object.keys(now).every(known)
        const stale = report.shown !== null && !Object.keys(now).every(name => same(now[name], report.shown[name]))
        return { name: waiting ? "waiting" : report.status, stale }
    }

    function words({ name, stale }, report) {
        const says = (name === "working" || name === "failed") && report.message
        const now = says ? `${WORDS[name]}: ${says}` : WORDS[name]
        return stale ? `${now}; ${BEFORE}` : now
    }

    // ipywidgets shows no tip for a menu that has a label, and none to those who use no pointer
    async function explain(tips) {
        for (const [name, knob] of knobs) {
            if (!tips[name]) continue
            for (const view of await Promise.all(Object.values(knob.views ?? {}))) {
                view.el.title = tips[name]
                view.el.querySelector("label")?.removeAttribute("title")
                view.el.querySelector("select, input, textarea, [role=slider]")?.setAttribute("aria-description", tips[name])
            }
        }
    }

    return {
        async initialize({ model }) {
            const find = async ([name, [id, trait]]) => [name, await model.widget_manager.get_model(id), trait]
            knobs = await Promise.all(Object.entries(model.get("knobs")).map(find))
            clicks = model.get("report").clicks
        },

        render({ model, el }) {
            el.classList.add("eagle-status")
            const button = element("button", "jupyter-widgets jupyter-button widget-button", el)
            const bar = element("progress", "eagle-progress", el)
            const line = element("span", "eagle-words", el)
            button.type = "button"
            bar.max = 1
            bar.setAttribute("aria-label", "progress")
            el.dataset.quiet = !model.get("button")     // where nothing takes long, only waiting is worth a word
            line.setAttribute("role", "status")

            function update() {
                const report = model.get("report"), now = state(report)
                el.dataset.state = now.name
                el.dataset.stale = now.stale
                button.hidden = !model.get("button")
                button.textContent = BUTTONS[ASKS[now.name] ?? "cancel"]
                button.setAttribute("aria-disabled", !(now.name in ASKS))   // it keeps the focus
                bar.hidden = now.name !== "working"
                bar.value = report.done
                const text = words(now, report)
                if (line.textContent !== text) line.textContent = text
            }

            function click() {
                const ask = ASKS[state(model.get("report")).name]
                if (!ask) return
                clicks += 1
                model.send({ ask, clicks })
                model.set("clicked", clicks)    // tells the other views of this line
                update()
            }

            const traits = knobs.map(([, knob, trait]) => [knob, `change:${trait}`])
            const events = [[model, "change:report"], [model, "change:clicked"], ...traits]
            for (const [source, event] of events) source.on(event, update)
            button.addEventListener("click", click)
            update()
            const shown = new IntersectionObserver(() => explain(model.get("tips")))
            shown.observe(el)
            return () => {
                shown.disconnect()
                for (const [source, event] of events) source.off(event, update)
            }
        },
    }
}
