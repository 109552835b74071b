/** The registry of lasting troubles; `status`, `doctor` and `/readyz` only render it. */

/** A lasting trouble and what to do about it. */
export interface Warning {
  /** Stable name of the trouble, e.g. `upstream-down:files`. */
  readonly code: string;
  /** What is wrong, to what. */
  readonly text: string;
  /** What to do next: no trouble is told without. */
  readonly hint: string;
}

/** Parts raise and clear warnings here; faces read them. */
export interface Health {
  raise(warning: Warning): void;
  clear(code: string): void;
  /** All warnings, in the order in which they were first raised. */
  warnings(): readonly Warning[];
  /** `listener` hears each warning that is new, or says something else than before. */
  onRaise(listener: (warning: Warning) => void): void;
}

/** Makes an empty registry. */
export function createHealth(): Health {
  const raised = new Map<string, Warning>();
  const listeners: ((warning: Warning) => void)[] = [];
  return {
    raise(warning) {
      const isNews = raised.get(warning.code)?.text !== warning.text;
      raised.set(warning.code, warning);
      if (isNews) for (const listener of listeners) listener(warning);
    },
    clear: (code) => {
      raised.delete(code);
    },
    warnings: () => [...raised.values()],
    onRaise: (listener) => {
      listeners.push(listener);
    },
  };
}
