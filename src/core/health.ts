/** The registry of lasting troubles; `status`, `doctor` and `/readyz` only render it. */

/** A lasting trouble and what to do about it. */
export interface Warning {
  /** Stable name of the trouble, e.g. `upstream-down:files`. */
  readonly code: string;
  /** What is wrong, to what. */
  readonly text: string;
  /** What to do next. */
  readonly hint?: string;
}

/** Parts raise and clear warnings here; faces read them. */
export interface Health {
  raise(warning: Warning): void;
  clear(code: string): void;
  /** All warnings, in the order in which they were first raised. */
  warnings(): readonly Warning[];
}

/** Makes an empty registry. */
export function createHealth(): Health {
  const raised = new Map<string, Warning>();
  return {
    raise: (warning) => void raised.set(warning.code, warning),
    clear: (code) => void raised.delete(code),
    warnings: () => [...raised.values()],
  };
}
