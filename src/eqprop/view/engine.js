"use strict";
// The physics of the page: settling, nudging, what a pair of layers would learn. Nothing here knows
// of the document. States are 64-bit numbers, so that small displacements keep their digits.
const Engine = (() => {
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

  function half(bits) {
    const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, part = bits & 1023;
    if (exponent === 0) return sign * part * 2 ** -24;
    if (exponent === 31) return part ? NaN : sign * Infinity;
    return sign * (1 + part / 1024) * 2 ** (exponent - 15);
  }

  /** Numbers as the page carries them: `kind` float32, float16 or int8 with a `scale`. */
  function numbers(packed) {
    const raw = bytes(packed.data);
    if (packed.kind === "int8") return Float64Array.from(new Int8Array(raw.buffer), (v) => v * packed.scale);
    if (packed.kind === "uint8") return Float64Array.from(raw, (v) => v * packed.scale);
    if (packed.kind === "float16") return Float64Array.from(new Uint16Array(raw.buffer), half);
    return Float64Array.from(new Float32Array(raw.buffer));
  }

  /** Repeatable random numbers in [0, 1). */
  function random(seed) {
    let state = seed >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
  }
  const normal = (draw) => Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());

  const RHO = {
    "hard-sigmoid": (h) => Math.min(1, Math.max(0, h)),
    "sigmoid": (h) => 1 / (1 + Math.exp(-h)),
    "shifted-sigmoid": (h) => 1 / (1 + Math.exp(2 - 4 * h)),
    "tanh": Math.tanh,
  };
  const xlogx = (x) => (x > 0 ? x * Math.log(x) : 0);
  const POTENTIAL = {
    "hard-sigmoid": (s) => 0.5 * s * s,
    "sigmoid": (s) => xlogx(s) + xlogx(1 - s),
    "shifted-sigmoid": (s) => 0.5 * s + 0.25 * (xlogx(s) + xlogx(1 - s)),
    "tanh": (s) => 0.5 * (xlogx(1 + s) + xlogx(1 - s)),
  };

  const kindOf = (post, pre) => (post === pre ? "inside" : post - pre === 1 ? "adjacent" : "skip");

  class Network {
    constructor(told) {
      this.told = told;
      this.name = told.name;
      this.sizes = told.sizes;
      this.last = told.sizes.length - 1;
      this.g = told.feedback;
      this.low = told.rho === "tanh" ? -1 : 0;
      this.rho = RHO[told.rho];
      this.potential = POTENTIAL[told.rho];
      this.biases = [null, ...told.biases.map(numbers)];
      this.own = told.blocks.map((block) => this.unpacked(block));
      this.readout = told.readout && { weights: numbers(told.readout.weights), bias: numbers(told.readout.bias) };
      this.change({});
    }

    unpacked({ post, pre, mask, values }) {
      const rows = this.sizes[post], columns = this.sizes[pre], bits = bytes(mask), found = numbers(values);
      const weights = new Float64Array(rows * columns), exists = new Uint8Array(rows * columns);
      for (let k = 0, next = 0; k < exists.length; k++)
        if ((bits[k >> 3] >> (7 - (k & 7))) & 1) { exists[k] = 1; weights[k] = found[next++]; }
      return { post, pre, rows, columns, weights, exists };
    }

    /** Other weights: a share of the skip connections kept, a share p rewired, bits, noise. */
    change({ keep = 1, rewire = 0, bits = 0, noise = 0, seed = 1 }) {
      const blocks = this.own.map((b) => ({ ...b, weights: b.weights.slice(), exists: b.exists.slice() }));
      if (keep < 1) {
        const draw = random(seed);
        for (const b of blocks) if (kindOf(b.post, b.pre) === "skip")
          for (let k = 0; k < b.exists.length; k++) if (draw() >= keep) { b.exists[k] = 0; b.weights[k] = 0; }
      }
      if (rewire > 0) this.rewire(blocks, rewire, random(seed + 1));
      if (bits || noise) {
        let most = 0;
        for (const b of blocks) for (const w of b.weights) most = Math.max(most, Math.abs(w));
        const step = bits ? most / (2 ** (bits - 1) - 1) : 0, draw = random(seed + 2);
        for (const b of blocks) {
          let sum = 0, count = 0;
          for (let k = 0; k < b.exists.length; k++) if (b.exists[k]) { sum += b.weights[k] ** 2; count++; }
          const size = noise * Math.sqrt(sum / Math.max(count, 1));
          for (let k = 0; k < b.exists.length; k++) if (b.exists[k]) {
            if (step) b.weights[k] = step * Math.round(b.weights[k] / step);
            if (noise) b.weights[k] += size * normal(draw);
          }
        }
      }
      this.blocks = blocks;
      this.counts = { adjacent: 0, skip: 0, inside: 0 };
      for (const b of blocks) for (const e of b.exists) this.counts[kindOf(b.post, b.pre)] += e;
    }

    /** Each connection between neighbouring layers is replaced with probability p by a skip. */
    rewire(blocks, p, draw) {
      const pairs = [];
      for (let post = 2; post <= this.last; post++)
        for (let pre = 0; pre < post - 1; pre++) pairs.push([post, pre, this.sizes[post] * this.sizes[pre]]);
      const total = pairs.reduce((sum, pair) => sum + pair[2], 0);
      if (!total) return;
      const skips = new Map(blocks.filter((b) => kindOf(b.post, b.pre) === "skip").map((b) => [`${b.post}-${b.pre}`, b]));
      const chosen = [];
      for (const b of blocks) if (kindOf(b.post, b.pre) === "adjacent")
        for (let k = 0; k < b.exists.length; k++) if (b.exists[k] && draw() < p) chosen.push([b, k]);
      let room = total;
      for (const b of skips.values()) for (const e of b.exists) room -= e;
      // Where skips are full, the rest stays; which, is chance.
      for (let left = chosen.length; left > room; left--) chosen.splice(Math.floor(draw() * left), 1);
      for (const [b, k] of chosen) { b.exists[k] = 0; b.weights[k] = 0; }
      for (let wanted = chosen.length; wanted > 0;) {
        let place = Math.floor(draw() * total), at = 0;
        while (place >= pairs[at][2]) place -= pairs[at++][2];
        const [post, pre, count] = pairs[at], name = `${post}-${pre}`;
        if (!skips.has(name)) {
          const made = { post, pre, rows: this.sizes[post], columns: this.sizes[pre], weights: new Float64Array(count), exists: new Uint8Array(count) };
          skips.set(name, made);
          blocks.push(made);
        }
        const b = skips.get(name);
        if (b.exists[place]) continue;
        b.exists[place] = 1;
        b.weights[place] = 0.1 * draw() - 0.05;
        wanted--;
      }
    }

    /** A new free phase. */
    begin(x, start, seed, imagined = null) {
      const draw = random(seed + 77), first = { zeros: () => 0, ones: () => 1, halves: () => 0.5, random: () => this.low + (1 - this.low) * draw() }[start];
      this.states = this.sizes.map((size, k) => (k ? Float64Array.from({ length: size }, first) : Float64Array.from(x)));
      this.free = null;
      this.nudge = null;
      this.imagined = imagined;
      this.sweeps = 0;
      this.history = [];
      this.residual = Infinity;
      if (imagined) this.states[this.last].set(imagined);
      this.drive();
    }

    /**
     * A nudged phase, from where the free one ended. beta may be Infinity: outputs are held.
     * `euler` has `step` and `isSplit` for the steps of training; without it blocks settle.
     */
    pull(beta, target, euler = null) {
      this.rested = this.residual;
      this.free = this.states.map((s) => s.slice());
      this.nudge = { beta, target, euler };
      this.residual = Infinity;
    }

    /** Back to where the free phase ended, if it has. */
    undo() {
      if (!this.free) return;
      this.states = this.free;
      this.residual = this.rested;
      this.free = this.nudge = null;
    }

    /** What clamped inputs give to every unit. */
    drive() {
      this.driven = this.sizes.map((size) => new Float64Array(size));
      for (const b of this.blocks) if (b.pre === 0) this.along(b, this.states[0], this.driven[b.post], 0, b.rows);
    }

    /** out[a..b] += W s for the later layer of a block. */
    along(b, from, out, start, stop, base = 0) {
      const { weights, columns } = b;
      for (let i = start; i < stop; i++) {
        let sum = 0;
        for (let j = 0, k = i * columns; j < columns; j++, k++) sum += weights[k] * from[j];
        out[i - base] += sum;
      }
    }

    /** out[a..b] += factor W' s for the earlier layer of a block. */
    back(b, from, out, start, stop, factor, base = 0) {
      const { weights, columns, rows } = b;
      for (let i = 0; i < rows; i++) {
        const s = factor * from[i];
        if (s !== 0) for (let j = start, k = i * columns + start; j < stop; j++, k++) out[j - base] += s * weights[k];
      }
    }

    /** What units `start` to `stop` of a layer receive. */
    received(layer, start, stop) {
      const out = new Float64Array(stop - start);
      if (layer) for (let i = start; i < stop; i++) out[i - start] = this.biases[layer][i] + this.driven[layer][i];
      for (const b of this.blocks) {
        if (b.post === layer && b.pre > 0) this.along(b, this.states[b.pre], out, start, stop, start);
        if (b.pre === layer) this.back(b, this.states[b.post], out, start, stop, this.g ** (b.post - layer), start);
      }
      return out;
    }

    scores(output = this.states[this.last]) {
      if (!this.readout) return output;
      const { weights, bias } = this.readout, width = output.length;
      return bias.map((start, c) => output.reduce((sum, s, i) => sum + weights[c * width + i] * s, start));
    }

    chances(output) {
      const scores = this.scores(output), most = Math.max(...scores), e = scores.map((s) => Math.exp(s - most));
      const total = e.reduce((a, b) => a + b, 0);
      return e.map((v) => v / total);
    }

    /** What a nudge by the squared error adds to the curvature of an output. */
    stiffness(beta) { return 2 * this.told.factor * beta; }

    /** Where the nudged outputs are drawn. */
    drawn(layer, pulls, here, start) {
      const plain = this.told.states === "activities" ? (h) => this.rho(h) : (h) => h;
      if (!this.nudge || layer !== this.last) return pulls.map(plain);
      const { beta, target } = this.nudge;
      if (this.readout) {
        const chance = this.chances(this.states[layer]), { weights } = this.readout, width = this.sizes[layer];
        return pulls.map((h, i) => {
          let force = 0;
          for (let c = 0; c < chance.length; c++) force += (target[c] - chance[c]) * weights[c * width + start + i];
          return plain(h + beta * force);
        });
      }
      if (beta === Infinity) return Float64Array.from(here, (_, i) => target[start + i]);
      const stiff = this.stiffness(beta);
      if (this.told.states !== "activities") return pulls.map((h, i) => (h + stiff * target[start + i]) / (1 + stiff));
      return pulls.map((h, i) => this.rho(h + stiff * (target[start + i] - here[i])));
    }

    /** One step; returns how far a unit was from where it is drawn. */
    sweep() {
      const far = this.nudge?.euler ? this.euler(this.nudge) : this.blockwise();
      this.sweeps++;
      this.residual = far;
      this.history.push({ residual: far, energy: this.energy(), nudged: !!this.nudge });
      return far;
    }

    /** A step of Euler's, of all units at once; a split one moves the outputs a second time. */
    euler({ beta, target, euler }) {
      const pulls = this.sizes.map((size, layer) => (layer ? this.received(layer, 0, size) : null));
      const stiff = this.stiffness(beta);
      let far = 0;
      for (let layer = 1; layer <= this.last; layer++) {
        const here = this.states[layer];
        for (let i = 0; i < here.length; i++) {
          let next = here[i] + euler.step * (pulls[layer][i] - here[i]);
          if (layer === this.last) next += stiff * euler.step * (target[i] - (euler.isSplit ? next : here[i]));
          next = Math.min(1, Math.max(this.low, next));
          far = Math.max(far, Math.abs(next - here[i]) / euler.step);
          here[i] = next;
        }
      }
      return far;
    }

    /** A sweep over all blocks, inputs first. */
    blockwise() {
      const { step, block } = this.told, coupled = new Set(this.blocks.filter((b) => b.post === b.pre).map((b) => b.post));
      const order = [...this.sizes.keys()].slice(1);
      let far = 0;
      // Run backwards, outputs are held and inputs are units like any other.
      for (const layer of this.imagined ? order.map((k) => k - 1).reverse() : order) {
        const size = this.sizes[layer], width = block && coupled.has(layer) ? block : size;
        for (let start = 0; start < size; start += width)
          far = Math.max(far, this.move(layer, start, Math.min(start + width, size), step));
      }
      if (this.imagined) this.drive();
      return far;
    }

    move(layer, start, stop, step) {
      const clip = (s) => Math.min(1, Math.max(this.low, s));
      const here = this.states[layer].subarray(start, stop), pulls = this.received(layer, start, stop);
      const drawn = layer ? this.drawn(layer, pulls, here, start) : pulls;
      // A nudge that depends on the outputs themselves is taken by halves, so that it settles.
      const bent = this.nudge && layer === this.last && (this.readout || this.told.states === "activities");
      const stiff = bent && !this.readout && this.nudge.beta !== Infinity ? this.stiffness(this.nudge.beta) : 0;
      const pace = bent ? Math.min(step, 0.5) / (1 + stiff) : step;
      let far = 0;
      for (let i = 0; i < here.length; i++) {
        far = Math.max(far, Math.abs(clip(drawn[i]) - here[i]));
        here[i] = clip(here[i] + pace * (drawn[i] - here[i]));
      }
      return far;
    }

    /** The energy of Eq. 2, or of weakened feedback, without the cost. */
    energy() {
      let total = 0;
      for (const x of this.states[0]) total += 0.5 * x * x;
      for (let k = 1; k <= this.last; k++) {
        const weight = this.g ** (k - this.last);
        // What inputs give was found when they were clamped.
        for (let i = 0; i < this.sizes[k]; i++) {
          const s = this.states[k][i];
          total += weight * (this.potential(s) - (this.biases[k][i] + this.driven[k][i]) * s);
        }
      }
      for (const b of this.blocks) if (b.pre) {
        const out = new Float64Array(b.rows), post = this.states[b.post];
        this.along(b, this.states[b.pre], out, 0, b.rows);
        let sum = 0;
        for (let i = 0; i < b.rows; i++) sum += out[i] * post[i];
        total -= this.g ** (b.post - this.last) * sum;
      }
      return total;
    }

    /** Root mean square of the corrections of each pair of layers: what one example would teach. */
    corrections() {
      if (!this.nudge || !this.free) return [];
      const { beta } = this.nudge, over = beta === Infinity ? 1 : beta, found = [];
      for (const b of this.blocks) {
        const [s1, s0, r1, r0] = [this.states[b.post], this.free[b.post], this.states[b.pre], this.free[b.pre]];
        const scale = this.g ** (b.post - this.last) / over;
        let sum = 0, count = 0;
        for (let i = 0; i < b.rows; i++) {
          // (s + d)(r + e) - s r, of which d and e may be far smaller than s and r.
          const d = s1[i] - s0[i];
          for (let j = 0, k = i * b.columns; j < b.columns; j++, k++) if (b.exists[k]) {
            sum += (scale * (d * r0[j] + s1[i] * (r1[j] - r0[j]))) ** 2;
            count++;
          }
        }
        if (count) found.push({ post: b.post, pre: b.pre, kind: kindOf(b.post, b.pre), size: Math.sqrt(sum / count), count });
      }
      return found;
    }
  }

  return { Network, numbers };
})();
