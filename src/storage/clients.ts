/** Clients kept per thread; more accounts than that in one run open theirs again. */
const MAX_CLIENTS = 64;

/**
 * Clients of this thread by everything that makes them. Locations are opened for every directory of a backup, while signing in
 * and the tokens that come of it belong to an account.
 */
export class SharedClients<T> {
  readonly #clients = new Map<string, T>();

  /** The client of `key`, plain data, made when it is not there or the oldest ones have made room. */
  get(key: object, make: () => T): T {
    const text = JSON.stringify(key);
    const held = this.#clients.get(text);
    if (held !== undefined) return held;
    const [oldest] = this.#clients.keys();
    if (this.#clients.size >= MAX_CLIENTS && oldest !== undefined) this.#clients.delete(oldest);
    const client = make();
    this.#clients.set(text, client);
    return client;
  }

  /** Forgets one that turned out not to work. */
  drop(key: object): void {
    this.#clients.delete(JSON.stringify(key));
  }
}
