"use strict";
(() => {
  const told = JSON.parse(document.getElementById("data").textContent);
  const { examples } = told, $ = (id) => document.getElementById(id);
  const networks = told.networks.map((one) => new Engine.Network(one));
  const shelf = Engine.numbers(examples.x), inputs = examples.inputs, side = examples.side;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  const MOST = 1000; // sweeps of a phase
  const HIDDEN = 1e-4; // an error of corrections beyond which they are not shown
  const NOTHING = 1e-7; // a correction that is none: rounding and what is left of the residual
  const SPEEDS = [1, 2, 5, 10, 20, 60, Infinity];
  const BETAS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, Infinity];
  const reads = networks.some((n) => n.readout), weakened = networks.some((n) => n.g < 1);
  const skips = networks.some((n) => n.counts.skip), deep = networks.some((n) => n.last > 1);
  const trained = networks.every((n) => n.told.steps), wanted = Math.min(...networks.map((n) => n.told.nudge));
  const nearest = BETAS.reduce((best, b, k) => (Math.abs(b - wanted) < Math.abs(BETAS[best] - wanted) ? k : best), 0);
  const FIRST = {
    example: 0, drawn: "", start: "zeros", target: examples.labels[0], nudged: false,
    beta: nearest, settled: !trained, keep: 100, rewire: 0, bits: 9, noise: 0, backwards: false,
  };
  let now = { ...FIRST }, playing = true, spare = 0, before = 0, image = new Float64Array(inputs), pending = 0, later = null, handle = 0;

  // ---- the address holds the view --------------------------------------------------------------
  function write() {
    const changed = Object.entries(now).filter(([name, value]) => value !== FIRST[name]);
    history.replaceState(null, "", changed.length ? "#" + new URLSearchParams(changed.map(([k, v]) => [k, String(v)])) : location.pathname + location.search);
  }
  /** Steps of training overshoot beyond 1; a softmax cannot be held at a target. */
  const strongest = (view) => (!view.settled ? 7 : reads ? 8 : 9);
  function read() {
    const found = { ...FIRST };
    for (const [name, text] of new URLSearchParams(location.hash.slice(1))) {
      if (!(name in FIRST)) continue;
      const kind = typeof FIRST[name];
      const value = kind === "number" ? Number(text) : kind === "boolean" ? text === "true" : text;
      if (kind !== "number" || Number.isFinite(value)) found[name] = value;
    }
    const within = (name, low, high) => { found[name] = Math.min(high, Math.max(low, Math.round(found[name]))); };
    within("example", 0, examples.labels.length - 1);
    within("target", 0, examples.classes.length - 1);
    if (!trained) found.settled = true;
    within("beta", 0, strongest(found));
    within("keep", 0, 100); within("rewire", 0, 40); within("bits", 2, 9); within("noise", 0, 100);
    if (!["zeros", "halves", "ones", "random"].includes(found.start)) found.start = "zeros";
    if (reads || weakened) found.backwards = false;
    if (found.backwards) found.nudged = false;
    return found;
  }
  const packed = () => {
    let text = "";
    for (let k = 0; k < inputs; k += 2) text += String.fromCharCode((Math.round(image[k] * 15) << 4) | Math.round((image[k + 1] || 0) * 15));
    return btoa(text).replaceAll("+", "-").replaceAll("/", "_");
  };
  function unpacked(text) {
    const found = new Float64Array(inputs);
    try {
      const raw = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
      for (let k = 0; k < inputs; k++) found[k] = ((raw.charCodeAt(k >> 1) >> (k & 1 ? 0 : 4)) & 15) / 15 || 0;
    } catch { /* an address somebody cut: an empty image */ }
    return found;
  }

  // ---- what the networks do --------------------------------------------------------------------
  const oneHot = (label) => Float64Array.from({ length: examples.classes.length }, (_, k) => +(k === label));
  function rebuild() {
    const to = { keep: now.keep / 100, rewire: now.rewire / 100, bits: now.bits === 9 ? 0 : now.bits, noise: now.noise / 100 };
    for (const n of networks) n.change(to);
  }
  function begin() {
    image = now.drawn ? unpacked(now.drawn) : shelf.slice(now.example * inputs, (now.example + 1) * inputs);
    const held = now.backwards ? oneHot(now.target) : null;
    for (const n of networks) n.begin(held ? new Float64Array(inputs) : image, now.start, 0, held);
    resume();
  }
  /** The nudged phase follows the free one once that has settled. */
  const waits = (n) => now.nudged && !n.nudge;
  /** Weakened feedback moves early layers by powers of g, which only a closer equilibrium shows. */
  const settled = (n) => n.residual <= (n.g < 1 ? 1e-14 : 1e-9);
  const drowned = (n) => n.g < 1 && n.g ** (1 - n.last) * 1e-14 > HIDDEN;
  const ends = (n) => (n.nudge?.euler ? n.phase >= n.told.steps.count : settled(n) || n.phase >= MOST);
  const rests = (n) => ends(n) && !waits(n);
  function advance(n) {
    if (ends(n)) {
      if (!waits(n)) return;
      n.pull(BETAS[now.beta], oneHot(now.target), now.settled ? null : n.told.steps);
      n.phase = 0;
    }
    n.sweep();
    n.phase++;
  }
  function sweep() {
    for (const n of networks) if (!rests(n)) advance(n);
    if (networks.every(rests)) pause();
  }
  function settle() {
    while (!networks.every(rests)) for (const n of networks) if (!rests(n)) advance(n);
  }
  function resume() {
    for (const n of networks) n.phase = 0; // what has settled stays: its residual is small
    if (calm.matches) { settle(); pause(); } else play();
  }
  function play() {
    playing = true; before = performance.now(); spare = 1;
    show();
    cancelAnimationFrame(handle);
    handle = requestAnimationFrame(frame);
  }
  function pause() { playing = false; show(); }
  function frame(time) {
    if (!playing) return;
    const speed = SPEEDS[$("speed").value];
    spare = speed === Infinity ? Infinity : Math.min(spare + (speed * (time - before)) / 1000, 8);
    before = time;
    const until = performance.now() + 24;
    let moved = false;
    while (spare >= 1 && playing && performance.now() < until) { sweep(); spare -= 1; moved = true; }
    if (moved) show();
    if (playing) handle = requestAnimationFrame(frame);
  }
  function change(values, { rebuilt = false } = {}) {
    now = { ...now, ...values };
    write();
    if (rebuilt) rebuild();
    begin();
    controls();
  }
  /** Another target, strength, or none: the free state stays. */
  function nudge(values) {
    now = { ...now, ...values };
    write();
    controls();
    if (now.backwards) return begin();
    for (const n of networks) n.undo();
    resume();
  }

  // ---- drawing ---------------------------------------------------------------------------------
  const CIVIDIS = [[0, 34, 78], [66, 78, 108], [124, 123, 120], [187, 175, 112], [254, 232, 56]];
  function shade(value) {
    const at = Math.min(0.9999, Math.max(0, value)) * 4, k = Math.floor(at), part = at - k;
    return CIVIDIS[k].map((c, i) => c + part * (CIVIDIS[k + 1][i] - c));
  }
  const FAINT = -6; // the power of ten from which on a displacement is seen
  function displaced(value) {
    const strength = Math.min(1, Math.max(0, (Math.log10(Math.abs(value) + 1e-300) - FAINT) / -FAINT));
    return [...(value > 0 ? [213, 94, 0] : [0, 114, 178]), 255 * strength];
  }
  function paint(canvas, values, colour, width) {
    const height = Math.ceil(values.length / width);
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    const context = canvas.getContext("2d"), picture = context.createImageData(width, height);
    values.forEach((value, k) => picture.data.set([...colour(value), 255].slice(0, 4), 4 * k));
    context.putImageData(picture, 0, 0);
  }
  const made = (name, attributes = {}, text = "") => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.textContent = text;
    return node;
  };
  const html = (name, className, text = "") => Object.assign(document.createElement(name), { className, textContent: text });
  const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
  const power = (k) => (k === 0 ? "1" : "10" + [...String(k)].map((c) => RAISED[c]).join(""));
  const short = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toPrecision(2));

  function called(n, layer) { return layer === 0 ? "input" : layer === n.last ? "outputs" : `layer ${layer}`; }

  const cards = networks.map((n) => {
    const card = html("article", "network"), part = {};
    const add = (key, node) => { part[key] = node; card.append(node); };
    card.append(html("h2", "", n.name));
    add("facts", html("p", "facts"));
    add("answer", html("p", "answer"));
    part.answer.setAttribute("aria-live", "off");
    add("outputs", made("svg", { viewBox: "0 0 320 74", role: "img", "aria-label": "Outputs" }));
    const heads = html("div", "layer heads"), pair = html("div", "pair");
    pair.append(html("span", "", "state"), html("span", "", "moved by the nudge"));
    heads.append(html("span"), pair);
    card.append(heads);
    part.layers = [];
    for (let layer = n.last; layer >= 0; layer--) {
      const row = html("div", "layer"), both = html("div", "pair"), state = html("canvas"), moved = html("canvas");
      state.setAttribute("role", "img"); moved.setAttribute("role", "img");
      state.setAttribute("aria-label", `States of ${called(n, layer)}`);
      moved.setAttribute("aria-label", `What the nudge moved in ${called(n, layer)}`);
      both.append(state, moved);
      row.append(html("span", "", `${called(n, layer)} (${n.sizes[layer]})`), both);
      card.append(row);
      part.layers.push({ layer, row, state, moved, width: layer === 0 && side ? side : n.sizes[layer] <= 16 ? n.sizes[layer] : Math.ceil(Math.sqrt(n.sizes[layer] * 2.5)) });
    }
    const key = html("div", "key"), first = html("canvas"), second = html("canvas");
    paint(first, Float64Array.from({ length: 40 }, (_, k) => k / 39), shade, 40);
    paint(second, Float64Array.from({ length: 41 }, (_, k) => Math.sign(k - 20) * 10 ** (FAINT * (1 - Math.abs(k - 20) / 20))), displaced, 41);
    key.append(`${n.low}`, first, "1", html("span", "", " "), "−1", second, `+1, from ${power(FAINT)} on`);
    card.append(key);
    card.append(html("h3", "", "What each pair of layers would learn"));
    add("bars", made("svg", { viewBox: "0 0 320 40", role: "img", "aria-label": "Size of the correction of each pair of layers" }));
    add("told", html("p", "told"));
    part.told.setAttribute("aria-live", "polite");
    card.append(html("h3", "", "On the way to the equilibrium"));
    add("course", made("svg", { viewBox: "0 0 320 108", role: "img", "aria-label": "Residual and energy over sweeps" }));
    $("networks").append(card);
    return part;
  });

  function outputs(n, part) {
    const chance = n.readout ? n.chances(n.states[n.last]) : [...n.scores()], best = chance.indexOf(Math.max(...chance));
    const svg = part.outputs, width = 320 / chance.length;
    svg.replaceChildren(made("line", { x1: 0, x2: 320, y1: 56.5, y2: 56.5, class: "line" }));
    chance.forEach((value, k) => {
      const height = 50 * Math.min(1, Math.max(0, value));
      svg.append(made("rect", { x: k * width + width * 0.15, y: 56 - height, width: width * 0.7, height, class: k === best ? "first" : "third" }));
      svg.append(made("text", { x: (k + 0.5) * width, y: 70, "text-anchor": "middle", class: k === best ? "" : "soft" }, examples.classes[k].slice(0, 6)));
    });
    const answer = n.free ? [...(n.readout ? n.chances(n.free[n.last]) : n.free[n.last])] : chance;
    const said = answer.indexOf(Math.max(...answer)), label = examples.classes[said], truth = examples.classes[examples.labels[now.example]];
    if (now.backwards) part.answer.textContent = `Outputs are held at ${examples.classes[now.target]}.`;
    else if (Math.max(...answer) - Math.min(...answer) < 1e-12) part.answer.textContent = "No answer yet.";
    else part.answer.textContent = `Answer: ${label}` + (now.drawn ? "" : label === truth ? ", right" : `, wrong: it is ${truth}`) + (n.readout ? ` (probability ${value(answer[said])})` : ` (output ${value(answer[said])})`);
  }
  const value = (v) => v.toFixed(2);

  /** Rows of the picture of corrections: neighbouring layers from the outputs down, then the rest. */
  function rows(n) {
    const found = n.corrections(), joined = (kind) => {
      const those = found.filter((c) => c.kind === kind), count = those.reduce((sum, c) => sum + c.count, 0);
      return count ? Math.sqrt(those.reduce((sum, c) => sum + c.count * c.size ** 2, 0) / count) : null;
    };
    const list = found.filter((c) => c.kind === "adjacent").sort((a, b) => b.post - a.post)
      .map((c) => ({ name: `${called(n, c.pre)} – ${called(n, c.post)}`, size: c.size, colour: "first" }));
    for (const [kind, name, colour] of [["skip", "skip connections", "second"], ["inside", "inside layers", "third"]]) {
      const size = joined(kind);
      if (size !== null) list.push({ name, size, colour });
    }
    return list;
  }
  function bars(n, part, list, lowest) {
    const svg = part.bars, left = 108, width = 200, step = 19;
    svg.replaceChildren();
    if (!list.length) {
      svg.setAttribute("viewBox", "0 0 320 20");
      const why = now.backwards ? "Nothing is learned backwards." : drowned(n) ? "Too small to be seen from two states." : "Nudge the outputs to see it.";
      svg.append(made("text", { x: 0, y: 14, class: "soft" }, why));
      part.told.textContent = drowned(n) ? `With feedback ${n.g} over ${n.last} layers a nudge moves the first by less than rounding. Training carries the difference itself.` : "";
      return;
    }
    const bottom = list.length * step + 4, x = (size) => left + (width * (Math.log10(Math.max(size, 10 ** lowest)) - lowest)) / -lowest;
    svg.setAttribute("viewBox", `0 0 320 ${bottom + 30}`);
    const every = -lowest > 6 ? 2 : 1;
    for (let k = lowest; k <= 0; k += every) {
      svg.append(made("line", { x1: x(10 ** k), x2: x(10 ** k), y1: 0, y2: bottom, class: "line" }));
      svg.append(made("text", { x: x(10 ** k), y: bottom + 13, "text-anchor": "middle", class: "soft" }, power(k)));
    }
    svg.append(made("text", { x: left + width / 2, y: bottom + 27, "text-anchor": "middle", class: "soft" }, "correction (root mean square)"));
    list.forEach(({ name, size, colour }, k) => {
      svg.append(made("text", { x: 0, y: k * step + 14 }, name));
      svg.append(made("rect", { x: left, y: k * step + 3, width: Math.max(0, x(size) - left), height: step - 6, class: colour, "data-size": size }));
    });
    part.told.textContent = verdict(list.filter((row) => row.colour === "first").map((row) => row.size));
  }
  /** In words; sizes of neighbouring pairs, outputs first. */
  function verdict(sizes) {
    if (sizes[0] < NOTHING) return "The outputs are at the target already: nothing to learn. Take another target to see a nudge.";
    if (sizes.length < 2) return "";
    const below = sizes.slice(1), ratio = sizes[0] / sizes[sizes.length - 1], spread = Math.max(...below) / Math.min(...below);
    if (!Number.isFinite(ratio)) return "Nothing reaches the pair next to the input.";
    const told = `Next to the input: ${ratio >= 1 ? `${short(ratio)} times less` : `${short(1 / ratio)} times more`} than next to the outputs.`;
    return below.length < 2 ? told : `${told} Between the pairs below those: a factor of ${short(spread)}.`;
  }
  function course(n, part) {
    const svg = part.course, past = n.history, count = Math.max(10, past.length), began = past.findIndex((h) => h.nudged);
    svg.replaceChildren();
    const panel = (left, title, values, low, high, ticks, colour) => {
      const width = 112, x = (k) => left + (width * k) / Math.max(count - 1, 1), y = (v) => 82 - (66 * (v - low)) / (high - low || 1);
      svg.append(made("text", { x: left, y: 9 }, title));
      for (const [v, text] of ticks) {
        svg.append(made("line", { x1: left, x2: left + width, y1: y(v), y2: y(v), class: "line" }));
        svg.append(made("text", { x: left - 3, y: y(v) + 4, "text-anchor": "end", class: "soft" }, text));
      }
      if (began >= 0) svg.append(made("line", { x1: x(began), x2: x(began), y1: 14, y2: 82, class: "line", "stroke-dasharray": "3 3" }));
      if (values.length) svg.append(made("path", { class: colour, d: values.map((v, k) => `${k ? "L" : "M"}${x(k).toFixed(1)} ${y(v).toFixed(1)}`).join("") }));
      svg.append(made("text", { x: left + width / 2, y: 98, "text-anchor": "middle", class: "soft" }, `sweeps (${past.length})`));
    };
    panel(38, "residual", past.map((h) => Math.log10(Math.max(h.residual, 1e-10))), -10, 0, [[0, "1"], [-5, power(-5)], [-10, power(-10)]], "first");
    const energies = past.map((h) => h.energy), low = Math.min(...energies, Infinity), high = Math.max(...energies, -Infinity);
    const shown = past.length ? [[low, short4(low)], ...(high > low ? [[high, short4(high)]] : [])] : [];
    panel(204, "energy", energies, past.length ? low : 0, past.length ? high : 1, shown, "second");
  }
  const short4 = (v) => (Math.abs(v) >= 1e5 || (v !== 0 && Math.abs(v) < 0.01) ? v.toExponential(1) : Number(v.toPrecision(4)).toString());

  function show() {
    const lists = networks.map((n) => (drowned(n) ? [] : rows(n))), sizes = lists.flat().map((r) => r.size).filter((s) => s > 0);
    const lowest = Math.max(-7, Math.min(-4, Math.floor(Math.log10(Math.min(...sizes, 1)))));
    networks.forEach((n, k) => {
      const part = cards[k], { counts } = n, all = counts.adjacent + counts.skip + counts.inside;
      part.facts.textContent = `${n.sizes.join("-")}, ${all.toLocaleString("en")} connections, ${((100 * counts.skip) / all).toFixed(1)} % skip`;
      outputs(n, part);
      for (const { layer, row, state, moved, width } of part.layers) {
        row.hidden = layer === 0 && !now.backwards;
        if (row.hidden) continue;
        paint(state, n.states[layer], (s) => shade((s - n.low) / (1 - n.low)), width);
        paint(moved, n.states[layer].map((s, i) => (n.free ? s - n.free[layer][i] : 0)), displaced, width);
      }
      bars(n, part, lists[k], lowest);
      course(n, part);
    });
    const over = networks.every(rests), cut = networks.some((n) => !n.nudge?.euler && !settled(n));
    $("play").textContent = playing ? "Pause" : !over ? "Go on" : cut ? `Not settled after ${MOST} sweeps` : now.nudged && !now.settled ? "Steps done" : "Settled";
    $("play").disabled = !playing && over;
  }
  function controls() {
    const drawable = side && examples.drawable;
    $("draw").hidden = !side; $("drawhint").hidden = !drawable; $("clear").hidden = !drawable;
    if (side) paint($("draw"), image, shade, side);
    $("which").textContent = now.drawn ? "Your drawing." : `Example ${now.example + 1} of ${examples.labels.length} (${examples.title}): ${examples.classes[examples.labels[now.example]]}`;
    $("start").value = now.start;
    $("target").value = now.target;
    $("beta").max = strongest(now);
    $("how").value = now.settled ? "settled" : "trained";
    $("how").disabled = !trained;
    for (const name of ["beta", "keep", "rewire", "bits", "noise"]) $(name).value = now[name];
    $("betaout").textContent = BETAS[now.beta] === Infinity ? "held at the target" : BETAS[now.beta];
    $("keepout").textContent = `${now.keep} %`;
    $("rewireout").textContent = `${now.rewire} %`;
    $("bitsout").textContent = now.bits === 9 ? "all" : now.bits;
    $("noiseout").textContent = `${now.noise} %`;
    $("speedout").textContent = SPEEDS[$("speed").value] === Infinity ? "as fast as it goes" : SPEEDS[$("speed").value];
    $("nudge").setAttribute("aria-pressed", now.nudged);
    $("nudge").textContent = now.nudged ? "Nudged: let go" : "Nudge the outputs";
    $("nudge").disabled = now.backwards;
    $("imagine").setAttribute("aria-pressed", now.backwards);
    $("imagine").disabled = reads || weakened;
    if (reads || weakened) $("imaginehint").textContent = `Not for ${reads ? "outputs that a softmax reads" : "weakened feedback"}: what comes back to the input is too weak.`;
    $("keep").disabled = !skips; $("keep").parentElement.classList.toggle("off", !skips);
    $("rewire").disabled = !deep; $("rewire").parentElement.classList.toggle("off", !deep);
  }

  // ---- hands ------------------------------------------------------------------------------------
  if (trained) {
    const ways = new Set(networks.map(({ told: { steps } }) => `${steps.count} steps of ${steps.step}`));
    $("how").append(Object.assign(html("option", "", `as in training: ${[...ways].join(", ")}`), { value: "trained" }));
  }
  $("how").append(Object.assign(html("option", "", "until it settles"), { value: "settled" }));
  examples.classes.forEach((name, k) => $("target").append(Object.assign(html("option", "", name), { value: k })));
  const example = (by) => {
    const count = examples.labels.length, next = (now.example + by + count) % count;
    change({ example: next, drawn: "", target: examples.labels[next] });
  };
  const actions = {
    previous: () => example(-1), next: () => example(1),
    clear: () => change({ drawn: "A".repeat(4 * Math.ceil(Math.ceil(inputs / 2) / 3)) }),
    play: () => (playing ? pause() : play()),
    step: () => { pause(); sweep(); show(); },
    again: () => begin(),
    nudge: () => nudge({ nudged: !now.nudged }),
    imagine: () => change({ backwards: !now.backwards, nudged: false }),
    reset: () => { $("speed").value = 3; change({ ...FIRST }, { rebuilt: true }); },
    link: async () => {
      try { await navigator.clipboard.writeText(location.href); $("link").textContent = "Copied"; } catch { $("link").textContent = "Copy the address"; }
      setTimeout(() => ($("link").textContent = "Copy link"), 1500);
    },
  };
  for (const [name, act] of Object.entries(actions)) $(name).addEventListener("click", act);
  $("speed").addEventListener("input", controls);
  $("start").addEventListener("change", (e) => change({ start: e.target.value }));
  $("target").addEventListener("change", (e) => nudge({ target: Number(e.target.value) }));
  $("how").addEventListener("change", (e) => {
    const settled = e.target.value === "settled";
    nudge({ settled, beta: Math.min(now.beta, strongest({ settled })) });
  });
  $("beta").addEventListener("input", (e) => nudge({ beta: Number(e.target.value) }));
  for (const name of ["keep", "rewire", "bits", "noise"]) {
    // A slider is dragged over many values; weights are made anew when it rests.
    $(name).addEventListener("input", (e) => {
      now = { ...now, [name]: Number(e.target.value) };
      controls();
      soon(rebuilt, 120);
    });
  }
  const rebuilt = () => change({}, { rebuilt: true });
  const drew = () => change({ drawn: packed() });
  /** What a slider or a pen leaves for when it rests. */
  function soon(what, wait) {
    if (later !== what) flush();
    clearTimeout(pending);
    later = what;
    pending = setTimeout(flush, wait);
  }
  function flush() {
    clearTimeout(pending);
    const what = later;
    later = null;
    what?.();
  }
  const KEYS = { " ": "play", s: "step", r: "again", n: "next", p: "previous", c: "clear", x: "nudge", i: "imagine" };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    if (event.key === " " && event.target.matches("button")) return;
    const label = examples.classes.indexOf(event.key);
    if (label >= 0) nudge({ target: label });
    else if (KEYS[event.key] && !$(KEYS[event.key]).disabled && !$(KEYS[event.key]).hidden) actions[KEYS[event.key]]();
    else return;
    event.preventDefault();
  });
  let last = null;
  function stroke(event) {
    const box = $("draw").getBoundingClientRect(), to = [event.clientX - box.left, event.clientY - box.top].map((v, k) => (v / (k ? box.height : box.width)) * side - 0.5);
    const from = last ?? to, pieces = Math.max(1, Math.ceil(2 * Math.hypot(to[0] - from[0], to[1] - from[1])));
    for (let piece = 0; piece <= pieces; piece++) {
      const [x, y] = [0, 1].map((k) => from[k] + ((to[k] - from[k]) * piece) / pieces);
      for (let row = Math.max(0, Math.floor(y - 2)); row <= Math.min(side - 1, y + 2); row++)
        for (let column = Math.max(0, Math.floor(x - 2)); column <= Math.min(side - 1, x + 2); column++) {
          const ink = Math.min(1, Math.max(0, 1.9 - Math.hypot(column - x, row - y)));
          image[row * side + column] = Math.max(image[row * side + column], ink);
        }
    }
    last = to;
    now.backwards = false;
    paint($("draw"), image, shade, side);
    soon(drew, 60);
  }
  if (side && examples.drawable) {
    $("draw").addEventListener("pointerdown", (event) => {
      $("draw").setPointerCapture(event.pointerId);
      if (!now.drawn) image = new Float64Array(inputs);
      last = null;
      stroke(event);
    });
    $("draw").addEventListener("pointermove", (event) => { if (event.buttons && last) stroke(event); });
    $("draw").addEventListener("pointerup", () => { last = null; flush(); });
  }
  addEventListener("hashchange", () => { now = read(); rebuild(); begin(); controls(); });
  document.addEventListener("visibilitychange", () => { before = performance.now(); });

  document.body.classList.toggle("inside", self !== top); // a page around it has said what it is
  globalThis.eqprop = { networks, settle: () => { flush(); settle(); pause(); controls(); } };
  now = read();
  rebuild();
  begin();
  controls();
})();
