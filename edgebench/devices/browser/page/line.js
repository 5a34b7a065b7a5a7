// What is said between this page and the machine it came from. A page that is loaded again goes on under the same key.

const KEPT = "edgebench-key";
const PAUSES_MS = [500, 1000, 2000, 4000, 8000, 16000, 30000];

/** The machine will not have this page; trying again is of no use. */
export class Refused extends Error {}

export class Line {
  constructor(code) {
    const kept = remembered();
    this.code = code;
    this.key = code || !kept ? random() : kept; // a new code begins anew
    this.isNew = Boolean(code);
    this.tab = random();
    if (!code && !kept) this.refusal = "This address is for a page that was opened by its code: scan the code, or open the whole address with what follows the #.";
  }

  async hello(facts) {
    if (this.refusal) throw new Refused(this.refusal);
    if (this.isNew) remember(this.key);
    await this.#post("hello", { code: this.code, facts });
  }

  start(cells) {
    return this.#post("start", { cells });
  }

  next() {
    return this.#asked("next", { method: "GET" });
  }

  answer(reply) {
    return this.#post("answer", reply);
  }

  /** A sign of life; one that is lost is no matter. */
  alive() {
    fetch("/api/alive", { headers: this.#headers() }).catch(() => {});
  }

  #post(name, body) {
    return this.#asked(name, { method: "POST", body: JSON.stringify(body) });
  }

  /** Tried again while the line is gone: the machine knows by the number what it has had already. */
  async #asked(name, how) {
    for (const pause of [...PAUSES_MS, null]) {
      try {
        const answer = await fetch(`/api/${name}`, { ...how, headers: this.#headers(), cache: "no-store" });
        const said = answer.status === 204 ? null : await answer.json();
        if (answer.ok) return said;
        throw new Refused(said.error);
      } catch (error) {
        if (error instanceof Refused) throw error;
        if (pause === null) throw new Refused("The machine that you scanned does not answer any more. If it still serves, load this page again: it goes on.");
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
  }

  #headers() {
    return { "Content-Type": "application/json", "X-Edgebench-Key": this.key, "X-Edgebench-Tab": this.tab };
  }
}

function random() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (one) => one.toString(16).padStart(2, "0")).join("");
}

function remembered() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null; // storage is off: a page that is loaded again needs a new code
  }
}

function remember(key) {
  try {
    localStorage.setItem(KEPT, key);
  } catch {
    // as above
  }
}
