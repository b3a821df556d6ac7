"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const NS = "http://www.w3.org/2000/svg";
  const root = document.documentElement;

  // -- figures as people read them -------------------------------------------------------------------
  const digits = (v) => (v === 0 ? "0" : Math.abs(v) >= 100 ? Math.round(v).toLocaleString("en") : String(Number(v.toPrecision(3))));
  const number = (v) => (Math.abs(v) >= 1e9 ? digits(v / 1e9) + " G" : Math.abs(v) >= 1e6 ? digits(v / 1e6) + " M" : Math.abs(v) >= 1e4 ? digits(v / 1e3) + " k" : digits(v));
  const seconds = (v) => (Math.abs(v) >= 0.9995 ? digits(v) + " s" : Math.abs(v) >= 0.0009995 ? digits(v * 1e3) + " ms" : v === 0 ? "0" : digits(v * 1e6) + " µs");
  const size = (v) => { for (const [u, s] of [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]]) if (Math.abs(v) >= s) return digits(v / s) + " " + u; return digits(v) + " B"; };
  const told = { s: seconds, bytes: size, "bytes/s": (v) => size(v) + "/s", "1/s": (v) => number(v) + "/s", "/s": (v) => number(v) + "/s", ratio: (v) => digits(v * 100) + " %" };
  const say = (v, unit) => (v === null || v === undefined || Number.isNaN(v) ? "–" : told[unit] ? told[unit](v) : number(v) + (unit ? " " + unit : ""));
  const tick = (v, unit) => (told[unit] ? told[unit](v) : number(v));
  const clock = (s) => { s = Math.round(s); const m = Math.floor(s / 60), h = Math.floor(m / 60); return h ? `${h}:${String(m % 60).padStart(2, "0")}:${String(s % 60).padStart(2, "0")}` : `${m}:${String(s % 60).padStart(2, "0")}`; };

  const make = (tag, attributes = {}, ...inside) => {
    const found = document.createElementNS(NS, tag);
    for (const [name, value] of Object.entries(attributes)) found.setAttribute(name, value);
    found.append(...inside);
    return found;
  };
  const html = (tag, attributes = {}, ...inside) => {
    const found = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) found.setAttribute(name, value);
    found.append(...inside);
    return found;
  };

  // -- scales ------------------------------------------------------------------------------------------
  const steps = (low, high, many, base = 10) => {
    const raw = (high - low) / many || 1;
    const sizes = base === 60 ? [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400] : null;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = sizes ? sizes.find((s) => s >= raw) || 86400 : [1, 2, 2.5, 5, 10].map((s) => s * power).find((s) => s >= raw * 0.999);
    const found = [];
    for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-9; v += step) found.push(Math.abs(v) < step * 1e-9 ? 0 : v);
    return found;
  };
  const logSteps = (low, high) => {
    const found = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) for (const m of high / low > 300 ? [1] : high / low > 25 ? [1, 3] : [1, 2, 5]) { const v = m * 10 ** e; if (v >= low * 0.999 && v <= high * 1.001) found.push(v); }
    return found;
  };

  // -- one chart ---------------------------------------------------------------------------------------
  const timed = [];  // charts over time share what part of it they show, and where the pointer is
  let shown = null;

  class Chart {
    constructor(element, spec) {
      this.element = element; this.spec = spec; this.hidden = new Set(spec.hidden || []); this.log = !!spec.log;
      this.plot = element.querySelector(".plot"); this.at = null;
      this.tip = html("div", { class: "tip", hidden: "" }); element.append(this.tip);
      this.legend(); this.listen(); this.draw();
    }
    legend() {
      const box = this.element.querySelector(".legend");
      if (!box || this.spec.series.length < 2) return;
      for (const one of this.spec.series) {
        if (one.quiet) continue;
        const swatch = make("svg", { viewBox: "0 0 18 8", "aria-hidden": "true" }, one.dots
          ? make("circle", { cx: 9, cy: 4, r: 3.4, fill: `var(${one.color})` })
          : make("line", { x1: 0, x2: 18, y1: 4, y2: 4, stroke: `var(${one.color})`, "stroke-width": one.area ? 7 : 2.4, "stroke-dasharray": one.dash || "none", "stroke-opacity": one.area ? 0.45 : 1 }));
        const button = html("button", { type: "button", "aria-pressed": String(!this.hidden.has(one.name)) }, swatch, one.name);
        button.onclick = () => { this.hidden.has(one.name) ? this.hidden.delete(one.name) : this.hidden.add(one.name); button.setAttribute("aria-pressed", String(!this.hidden.has(one.name))); this.draw(); };
        box.append(button);
      }
      if (this.spec.canLog) {
        const button = html("button", { type: "button", "aria-pressed": String(this.log), class: "noprint" }, "log scale");
        button.onclick = () => { this.log = !this.log; button.setAttribute("aria-pressed", String(this.log)); this.draw(); };
        box.append(button);
      }
    }
    show(spec) {
      this.spec = spec;
      this.element.querySelector(".legend").replaceChildren();
      this.legend();
      this.draw();
    }
    get seen() { return this.spec.series.filter((one) => !this.hidden.has(one.name)); }
    range() {
      const { spec } = this;
      let [x0, x1] = spec.time && shown ? shown : spec.x;
      let low = Infinity, high = -Infinity, least = Infinity;
      for (const one of this.seen) for (let i = 0; i < one.x.length; i++) {
        if (one.x[i] < x0 || one.x[i] > x1) continue;
        for (const v of one.low ? [one.low[i], one.high[i]] : [one.y[i]]) { if (v === null || v === undefined) continue; low = Math.min(low, v); high = Math.max(high, v); if (v > 0) least = Math.min(least, v); }
      }
      for (const rule of spec.rules || []) if (rule.y !== undefined && rule.y < high * 3) high = Math.max(high, rule.y);
      if (!(high > -Infinity)) { low = 0; high = 1; least = 0.1; }
      if (this.log) { low = least < Infinity ? least / 1.25 : 1e-3; high = Math.max(high * 1.25, low * 10); }
      else { low = Math.min(0, low); high = high > 0 ? high * 1.06 : 1; if (spec.floor === "near" && low === 0) { const lows = least; if (lows > high * 0.5) low = lows - (high - lows) * 0.3; } }
      return { x0, x1, low, high };
    }
    draw() {
      const { spec } = this, wide = Math.max(300, this.plot.clientWidth || 560), tall = spec.tall || 220;
      const left = 58, right = 12, top = spec.bands ? 22 : 10, bottom = spec.xlabel ? 36 : 22;
      const { x0, x1, low, high } = this.range();
      const xs = spec.xlog ? (v) => left + (Math.log(v / x0) / Math.log(x1 / x0)) * (wide - left - right) : (v) => left + ((v - x0) / (x1 - x0 || 1)) * (wide - left - right);
      const ys = this.log ? (v) => tall - bottom - (Math.log(Math.max(v, low) / low) / Math.log(high / low)) * (tall - top - bottom) : (v) => tall - bottom - ((v - low) / (high - low || 1)) * (tall - top - bottom);
      this.frame = { left, right, top, bottom, wide, tall, x0, x1, xs };
      const svg = make("svg", { viewBox: `0 0 ${wide} ${tall}`, role: "img", "aria-label": spec.about, tabindex: "0" });
      const id = "clip" + spec.id;
      svg.append(make("clipPath", { id }, make("rect", { x: left, y: top - 2, width: wide - left - right, height: tall - top - bottom + 4 })));
      for (const band of spec.bands || []) {
        const a = Math.max(left, xs(band.from)), b = Math.min(wide - right, xs(band.to));
        if (b <= a) continue;
        svg.append(make("rect", { x: a, y: top, width: b - a, height: tall - top - bottom, fill: `var(--band-${band.kind})` }));
        if (b - a > 7 * band.name.length + 2) svg.append(make("text", { x: (a + b) / 2, y: top - 8, "text-anchor": "middle", class: "label" }, band.name));
      }
      for (const v of this.log ? logSteps(low, high) : steps(low, high, Math.max(3, Math.floor(tall / 52)))) {
        const y = ys(v);
        svg.append(make("line", { x1: left, x2: wide - right, y1: y, y2: y, stroke: "var(--grid)" }), make("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, tick(v, spec.unit)));
      }
      const ticks = spec.ticks || (spec.xlog ? logSteps(x0, x1).map((v) => [v, tick(v, spec.xunit)]) : steps(x0, x1, Math.max(3, Math.floor(wide / 110)), spec.time ? 60 : 10).map((v) => [v, spec.time ? clock(v) : tick(v, spec.xunit)]));
      for (const [v, text] of ticks) if (v >= x0 && v <= x1) svg.append(make("line", { x1: xs(v), x2: xs(v), y1: tall - bottom, y2: tall - bottom + 4, stroke: "var(--faint)" }), make("text", { x: xs(v), y: tall - bottom + 16, "text-anchor": "middle" }, text));
      svg.append(make("line", { x1: left, x2: wide - right, y1: tall - bottom, y2: tall - bottom, stroke: "var(--faint)" }));
      if (spec.xlabel) svg.append(make("text", { x: (left + wide - right) / 2, y: tall - 3, "text-anchor": "middle", class: "label" }, spec.xlabel));
      const inside = make("g", { "clip-path": `url(#${id})` });
      svg.append(inside);
      for (const one of this.seen) {
        const color = `var(${one.color})`;
        const points = [];
        for (let i = 0; i < one.x.length; i++) points.push(one.y && one.y[i] !== null && one.y[i] !== undefined && !(this.log && one.y[i] <= 0) ? [xs(one.x[i]), ys(one.y[i]), i] : null);
        if (one.low) {
          const up = one.x.map((x, i) => `${xs(x).toFixed(1)},${ys(one.high[i]).toFixed(1)}`), down = one.x.map((x, i) => `${xs(x).toFixed(1)},${ys(one.low[i]).toFixed(1)}`).reverse();
          inside.append(make("polygon", { points: [...up, ...down].join(" "), fill: color, "fill-opacity": 0.16 }));
          continue;
        }
        if (one.dots) {
          for (const p of points) if (p) inside.append(make("circle", { cx: p[0], cy: p[1], r: one.radius || 4, fill: one.hollow && one.hollow[p[2]] ? "var(--card)" : color, stroke: color, "stroke-width": 1.8 }));
          continue;
        }
        let path = "", pen = false, begun = null, last = null;
        const areas = [];
        for (const p of points) {
          if (!p) { if (pen && one.area) areas.push([begun, last]); pen = false; continue; }
          path += `${pen ? "L" : "M"}${p[0].toFixed(1)} ${p[1].toFixed(1)}`;
          if (!pen) begun = p; pen = true; last = p;
        }
        if (one.area && last) inside.append(make("path", { d: `${path}L${last[0].toFixed(1)} ${ys(Math.max(low, 0))}L${(begun || last)[0].toFixed(1)} ${ys(Math.max(low, 0))}Z`, fill: color, "fill-opacity": 0.16 }));
        inside.append(make("path", { d: path, fill: "none", stroke: color, "stroke-width": one.width || 1.7, "stroke-linejoin": "round", "stroke-dasharray": one.dash || "none" }));
      }
      for (const rule of spec.rules || []) {
        if (rule.y !== undefined && rule.y >= low && rule.y <= high) svg.append(make("line", { x1: left, x2: wide - right, y1: ys(rule.y), y2: ys(rule.y), stroke: `var(${rule.color})`, "stroke-dasharray": "5 4", "stroke-width": 1.3 }), make("text", spec.time ? { x: wide - right - 4, y: ys(rule.y) - 5, "text-anchor": "end", class: "label" } : { x: left + 6, y: ys(rule.y) - 5, class: "label" }, rule.name));
        if (rule.x !== undefined && rule.x >= x0 && rule.x <= x1) svg.append(make("line", { x1: xs(rule.x), x2: xs(rule.x), y1: top, y2: tall - bottom, stroke: `var(${rule.color})`, "stroke-dasharray": "5 4", "stroke-width": 1.3 }), make("text", { x: xs(rule.x) + (xs(rule.x) > wide * 0.72 ? -5 : 5), y: top + 10 + 13 * (rule.row || 0), "text-anchor": xs(rule.x) > wide * 0.72 ? "end" : "start", class: "label" }, rule.name));
      }
      for (const mark of spec.marks || []) if (mark.at >= x0 && mark.at <= x1) {
        const line = make("g", {}, make("title", {}, `${clock(mark.at)} ${mark.text}`), make("line", { x1: xs(mark.at), x2: xs(mark.at), y1: top, y2: tall - bottom, stroke: `var(${mark.color})`, "stroke-width": 1.4 }), make("path", { d: `M${xs(mark.at) - 4} ${top}h8l-4 6z`, fill: `var(${mark.color})` }));
        svg.append(line);
      }
      this.hair = make("line", { y1: top, y2: tall - bottom, stroke: "var(--faint)", "stroke-width": 1, visibility: "hidden" });
      this.sweep = make("rect", { y: top, height: tall - top - bottom, fill: "var(--accent)", "fill-opacity": 0.14, visibility: "hidden" });
      svg.append(this.hair, this.sweep);
      this.plot.replaceChildren(svg);
      svg.addEventListener("keydown", (event) => this.key(event));
      svg.addEventListener("blur", () => this.leave());
    }
    nearest(x) {
      let best = null, off = Infinity;
      for (const one of this.seen) for (const v of one.x) { const d = Math.abs(this.frame.xs(v) - this.frame.xs(x)); if (d < off) { off = d; best = v; } }
      return best;
    }
    pointed(event) {
      const box = this.plot.getBoundingClientRect(), { left, right, wide, x0, x1 } = this.frame, scale = wide / box.width;
      const part = Math.min(1, Math.max(0, ((event.clientX - box.left) * scale - left) / (wide - left - right)));
      return this.spec.xlog ? x0 * (x1 / x0) ** part : x0 + part * (x1 - x0);
    }
    listen() {
      let from = null;
      this.plot.addEventListener("pointermove", (event) => {
        const x = this.pointed(event);
        if (from !== null && this.spec.time) { const { xs } = this.frame, a = xs(Math.min(from, x)), b = xs(Math.max(from, x)); this.sweep.setAttribute("x", a); this.sweep.setAttribute("width", b - a); this.sweep.setAttribute("visibility", "visible"); }
        this.point(this.nearest(x), true);
      });
      this.plot.addEventListener("pointerleave", () => this.leave());
      if (!this.spec.time) return;
      this.plot.addEventListener("pointerdown", (event) => { if (event.pointerType === "mouse" && event.button === 0) { from = this.pointed(event); event.preventDefault(); } });
      addEventListener("pointerup", (event) => {
        if (from === null) return;
        const to = this.pointed(event), span = Math.abs(to - from);
        if (span > (this.frame.x1 - this.frame.x0) / 60) zoom([Math.min(from, to), Math.max(from, to)]); else this.sweep.setAttribute("visibility", "hidden");
        from = null;
      });
      this.plot.addEventListener("dblclick", () => zoom(null));
    }
    key(event) {
      if (!["ArrowLeft", "ArrowRight", "Escape"].includes(event.key)) return;
      event.preventDefault();
      if (event.key === "Escape") { if (this.spec.time) zoom(null); return this.leave(); }
      const all = [...new Set(this.seen.flatMap((one) => one.x))].filter((v) => v >= this.frame.x0 && v <= this.frame.x1).sort((a, b) => a - b);
      const place = this.at === null ? -1 : all.indexOf(this.at);
      const next = all[Math.min(all.length - 1, Math.max(0, place + (event.key === "ArrowRight" ? 1 : -1) * (event.shiftKey ? 10 : 1)))];
      this.point(next, true);
    }
    leave() { for (const one of this.spec.time ? timed : [this]) one.point(null, false); }
    point(x, mine) {
      if (mine && this.spec.time) for (const other of timed) if (other !== this) other.point(x === null ? null : other.nearest(x), false);
      this.at = x;
      if (x === null || !this.hair) { this.hair?.setAttribute("visibility", "hidden"); this.tip.hidden = true; return; }
      const at = this.frame.xs(x);
      this.hair.setAttribute("x1", at); this.hair.setAttribute("x2", at); this.hair.setAttribute("visibility", "visible");
      if (!mine) { this.tip.hidden = true; return; }
      const band = (this.spec.bands || []).find((one) => x >= one.from && x < one.to);
      this.tip.replaceChildren(html("b", {}, this.spec.time ? `${clock(x)}${band ? " · " + band.title : ""}` : this.spec.tipx ? this.spec.tipx(x) : say(x, this.spec.xunit)));
      for (const one of this.seen) {
        if (one.low) continue;
        const place = one.x.indexOf(x);
        if (place < 0) continue;
        const swatch = html("i", { style: `background: var(${one.color})` });
        const words = one.words && one.words[place] ? ` (${one.words[place]})` : "";
        this.tip.append(html("span", {}, html("span", {}, swatch, one.name), html("em", {}, say(one.y[place], one.unit || this.spec.unit) + words)));
      }
      this.tip.hidden = false;
      const box = this.plot.getBoundingClientRect(), outer = this.element.getBoundingClientRect(), px = (at / this.frame.wide) * box.width + box.left - outer.left;
      const w = this.tip.offsetWidth;
      this.tip.style.left = `${Math.max(0, px + 14 + w > outer.width ? px - w - 14 : px + 14)}px`;
      this.tip.style.top = `${box.top - outer.top + 14}px`;
    }
  }
  const zoom = (part) => { shown = part; document.querySelectorAll(".unzoom").forEach((one) => { one.hidden = part === null; }); for (const one of timed) one.draw(); };

  // -- which charts there are ----------------------------------------------------------------------------
  const m = data.moments, g = data.generator_moments, stages = data.stages;
  const ended = Math.max(1, ...stages.map((s) => s.began + s.seconds));
  const hot = new Set(["overload", "spike", "storm", "slow-readers"]);
  const bands = [];
  for (const stage of stages) {
    const last = bands[bands.length - 1];
    if (last && last.phase === stage.phase) { last.to = stage.began + stage.seconds; last.title = stage.kind; continue; }
    bands.push({ from: stage.began, to: stage.began + stage.seconds, phase: stage.phase, name: stage.kind === "steps" ? "search" : stage.name, title: stage.name, kind: hot.has(stage.kind) ? "hot" : stage.kind === "recovery" ? "back" : bands.length % 2 ? "b" : "a" });
  }
  const fine = stages.map((stage) => ({ from: stage.began, to: stage.began + stage.seconds, title: stage.name }));
  const drawn = bands.map((one) => ({ ...one }));
  const colors = { "alert-firing": "--s4", "alert-resolved": "--s2", restart: "--s7", hang: "--s3", event: "--s6" };
  const marks = data.marks.map((one) => ({ ...one, color: colors[one.kind] || "--s6" }));
  const middle = (at) => at.map((v) => v + data.step / 2);
  const over = (columns, name, label, color, more = {}) => ({ name: label, x: middle(columns.at), y: columns[name], color, ...more });
  const some = (values) => (values || []).some((v) => v);
  const specs = {};
  const time = { time: true, x: [0, ended], bands: drawn, marks, unit: "1/s" };
  if (m.at && m.at.length) {
    const failed = m.at.map((_, i) => (m["said-no"][i] || 0) + (m.nobody[i] || 0) + (m.wrong[i] || 0) + (m.dropped[i] || 0));
    specs.throughput = { ...time, tall: 250, about: "Operations a second over time: due, done, good and failed", series: [
      over(m, "due", "due", "--s6", { dash: "4 3" }), over(m, "done", "done", "--s1", { area: true }),
      ...(data.bound ? [over(m, "good", "good", "--s2")] : []), ...(some(failed) ? [{ name: "failed or dropped", x: middle(m.at), y: failed, color: "--s4" }] : [])] };
    specs.latency = { ...time, tall: 250, unit: "s", log: true, canLog: true, about: "Latency over time from the intended start: percentiles", hidden: ["max", "p99 from the actual start"],
      rules: data.bound ? [{ y: data.bound, name: `asked: ${seconds(data.bound)}`, color: "--s4" }] : [],
      series: [over(m, "p50", "p50", "--s2"), over(m, "p95", "p95", "--s1"), over(m, "p99", "p99", "--s3"), over(m, "max", "max", "--s4"), over(m, "service_p99", "p99 from the actual start", "--s5", { dash: "4 3" })] };
    const kinds = [["said-no", "the server said no", "--s3"], ["nobody", "nobody answered", "--s4"], ["wrong", "answered wrongly", "--s7"], ["dropped", "never started", "--s5"], ["ours", "the generator's own", "--s6"]];
    specs.faults = { ...time, tall: 180, about: "Failures a second over time, by whose word they are", series: kinds.filter(([name]) => some(m[name])).map(([name, label, color]) => over(m, name, label, color)) };
  }
  if (data.capacity) {
    const c = data.capacity, ls = c.levels, users = c.model === "closed";
    const xunit = users ? "users" : "1/s", top = Math.max(...ls.map((l) => l.level)) * 1.08;
    const rules = [];
    if (c.sustained) rules.push({ x: c.sustained, name: "sustained", color: "--s2", row: 0 });
    if (c.breaking && c.breaking.level <= top) rules.push({ x: c.breaking.level, name: "work is left undone", color: "--s4", row: 1 });
    if (c.bend) rules.push({ x: c.bend, name: "knee", color: "--s5", row: 2 });
    const broke = ls.map((l) => l.word !== "held"), words = ls.map((l) => l.word);
    specs.levels = { x: [0, top], unit: "1/s", xunit, xlabel: users ? "users" : "due a second", about: "Done a second at each level of load", rules, tall: 270,
      series: [...(users ? [] : [{ name: "all that is due", x: [0, top], y: [0, top], color: "--s6", dash: "4 3" }]), { name: "done", x: ls.map((l) => l.level), y: ls.map((l) => l.achieved), color: "--s1", words }, { name: "broke", quiet: true, dots: true, x: ls.map((l) => l.level), y: ls.map((l) => l.achieved), hollow: broke, color: "--s1", words }] };
    specs.leveltimes = { x: [0, top], unit: "s", xunit, log: true, canLog: true, xlabel: users ? "users" : "due a second", about: "Latency at each level of load", tall: 270, rules: [...rules, ...(data.bound ? [{ y: data.bound, name: `asked: ${seconds(data.bound)}`, color: "--s4" }] : [])],
      series: ["p50", "p95", "p99"].map((name, i) => ({ name, x: ls.map((l) => l.level), y: ls.map((l) => l[name]), color: ["--s2", "--s1", "--s3"][i] })).flatMap((one) => [one, { ...one, name: one.name + " ", quiet: true, dots: true, radius: 3, hollow: broke }]) };
    if (c.usl_line.n && c.usl_line.n.length) {
      const points = c.usl_points;
      specs.usl = { x: [0, Math.max(...c.usl_line.n)], unit: "1/s", xunit: "under way", xlabel: "under way at a time (N)", tall: 250, about: "The universal scalability law fitted to throughput against concurrency", rules: c.usl.peak_n ? [{ x: c.usl.peak_n, name: "peak", color: "--s5" }] : [],
        series: [{ name: "95 %", x: c.usl_line.n, low: c.usl_line.low, high: c.usl_line.high, color: "--s5" }, { name: "fitted", x: c.usl_line.n, y: c.usl_line.x, color: "--s5" }, { name: "seen", dots: true, x: points.map((p) => p[0]), y: points.map((p) => p[1]), color: "--s1" }] };
    }
  }
  if (g.at && g.at.length) {
    specs.cores = { ...time, tall: 170, unit: "cores", about: "Processor time of the generator over time", series: [over(g, "cpu", "used", "--s1", { area: true }), over(g, "waited", "waited for", "--s4")] };
    specs.lag = { ...time, tall: 170, unit: "s", log: true, canLog: true, about: "How late starts were over time", series: [over(g, "lag_p99", "starts late, p99", "--s3"), over(g, "loop_worst", "longest turn", "--s6"), over(g, "gc_worst", "longest collection", "--s5")], hidden: ["longest collection"] };
    specs.held = { ...time, tall: 170, unit: "", about: "Connections and operations under way over time", series: [over(g, "connections", "connections", "--s6"), over(g, "in_flight", "under way", "--s1", { area: true }), over(g, "waiting", "due and waiting", "--s3")] };
  }
  data.server_charts.forEach((chart, i) => {
    specs["server" + i] = { ...time, tall: 170, unit: chart.unit, about: `${chart.title} over time`, floor: "near", series: chart.lines.map((line, k) => ({ name: line.name, x: line.at, y: line.values, color: `--s${(k % 8) + 1}` })) };
  });
  const curves = stages.filter((stage) => stage.curve.share);
  const percentiles = (stage) => {
    const far = (share) => 1 / Math.max(1 - share, 0.1 / stage.latency.n), x = stage.curve.share.map(far), top = Math.max(...x);
    const ticks = [[1, "0"], [2, "50 %"], [10, "90 %"], [100, "99 %"], [1e3, "99.9 %"], [1e4, "99.99 %"], [1e5, "99.999 %"]].filter(([v]) => v <= top);
    const same = stage.failed + stage.dropped === 0;
    return { id: "curve", x: [1, top], xlog: true, ticks, unit: "s", log: true, canLog: true, tall: 290, xlabel: "share of operations that took no longer", about: "Distribution of latency from the intended and from the actual start",
      tipx: (v) => `${(100 * (1 - 1 / v)).toFixed(v > 5e3 ? 3 : v > 500 ? 2 : 1)} % took no longer`, rules: data.bound ? [{ y: data.bound, name: `asked: ${seconds(data.bound)}`, color: "--s4" }] : [],
      series: [{ name: "from the intended start", x, y: stage.curve.latency, color: "--s1", width: 2.2 }, { name: "from the actual start", x, y: stage.curve.service, color: "--s3", dash: "5 3", width: 2 }, ...(same ? [] : [{ name: "with failed ones, at least", x, y: stage.curve.censored, color: "--s4", dash: "2 3" }])] };
  };

  // -- begin ---------------------------------------------------------------------------------------------
  const charts = [];
  const begin = () => {
    for (const element of document.querySelectorAll(".chart[data-chart]")) {
      const spec = specs[element.dataset.chart];
      if (!spec || !spec.series.length) { element.remove(); continue; }
      spec.id = element.dataset.chart;
      const chart = new Chart(element, spec);
      charts.push(chart);
      if (spec.time) timed.push(chart);
    }
    for (const row of document.querySelectorAll(".two, .three")) if (!row.children.length) row.remove();
    const box = document.getElementById("curve"), select = document.getElementById("which");
    if (box && select && curves.length) {
      const longest = curves.reduce((a, b) => (b.judged && b.latency.n > (a.judged ? a.latency.n : 0) ? b : a));
      for (const stage of curves) select.append(html("option", { value: stage.index, ...(stage === longest ? { selected: "" } : {}) }, `${stage.name} (${number(stage.latency.n)})`));
      const chosen = () => percentiles(curves.find((one) => String(one.index) === select.value));
      const chart = new Chart(box, chosen());
      charts.push(chart);
      select.onchange = () => chart.show(chosen());
    } else if (box) box.closest(".card").remove();
  };
  const themed = document.getElementById("theme");
  const set = (theme) => { root.dataset.theme = theme; themed.textContent = theme === "dark" ? "Light" : "Dark"; themed.setAttribute("aria-label", `switch to the ${theme === "dark" ? "light" : "dark"} theme`); };
  set(root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
  themed.onclick = () => set(root.dataset.theme === "dark" ? "light" : "dark");
  document.querySelectorAll(".unzoom").forEach((one) => { one.onclick = () => zoom(null); });
  document.querySelectorAll("[data-copy]").forEach((one) => { one.onclick = async () => { const text = document.getElementById(one.dataset.copy).textContent; try { await navigator.clipboard.writeText(text); } catch { const range = document.createRange(); range.selectNodeContents(document.getElementById(one.dataset.copy)); getSelection().removeAllRanges(); getSelection().addRange(range); document.execCommand("copy"); } one.textContent = "Copied"; setTimeout(() => { one.textContent = "Copy"; }, 1500); }; });
  begin();
  let wide = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== wide) { wide = innerWidth; for (const one of charts) one.draw(); } });
  const printing = matchMedia("print");
  const opened = [];
  addEventListener("beforeprint", () => { document.querySelectorAll("details").forEach((one) => { if (!one.open && one.dataset.print !== undefined) { one.open = true; opened.push(one); } }); });
  addEventListener("afterprint", () => { while (opened.length) opened.pop().open = false; });
  printing.addEventListener?.("change", () => { for (const one of charts) one.draw(); });
})();
