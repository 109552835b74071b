/** How many tasks each agent has from here, by its endpoint. */

/** See the file. */
export class AgentLoads {
  readonly #loads = new Map<string, number>();

  /** How many it has. */
  of(endpoint: string): number {
    return this.#loads.get(endpoint) ?? 0;
  }

  /** It has one more, or one less. */
  count(endpoint: string, by: 1 | -1): void {
    const load = this.of(endpoint) + by;
    if (load > 0) this.#loads.set(endpoint, load);
    else this.#loads.delete(endpoint);
  }
}
