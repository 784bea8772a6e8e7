/** Deterministic random numbers (xorshift32 with a multiplier): the same seed gives the same workload on every machine. */
export class Random {
  #state: number;

  constructor(seed: number) {
    // Zero would stay zero for ever.
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0 || 1;
  }

  /** An integer in [0, 2^32). */
  next(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state >>> 0;
    return Math.imul(this.#state, 0x9e3779b1) >>> 0;
  }

  /** An integer in [0, below). */
  below(below: number): number {
    return this.next() % below;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** `length` random letters; half of them random, so that they compress as text does. */
export function randomLetters(random: Random, length: number): string {
  let text = '';
  while (text.length < length) {
    let bits = random.next();
    for (let taken = 0; taken < 5 && text.length < length; taken++) {
      text += LETTERS[bits % 52];
      bits = Math.floor(bits / 52);
    }
  }
  return text;
}
