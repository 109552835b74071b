/** Finds AbortSignals that gather listeners, whoever made them. */
import { getEventListeners } from 'node:events';

/** Watches every AbortSignal that gets a listener from now on. */
export function watchAbortListeners(): {
  /** The listeners of the signal that has most of them now. */
  most(): number;
  stop(): void;
} {
  const signals = new Set<WeakRef<AbortSignal>>();
  const seen = new WeakSet<AbortSignal>();
  const original = Object.getOwnPropertyDescriptor(EventTarget.prototype, 'addEventListener');
  if (original === undefined) throw new Error('there is no addEventListener');
  const addOriginal = original.value as EventTarget['addEventListener'];
  EventTarget.prototype.addEventListener = function add(this: EventTarget, ...args) {
    if (this instanceof AbortSignal && !seen.has(this)) {
      seen.add(this);
      signals.add(new WeakRef(this));
    }
    addOriginal.apply(this, args);
  };
  return {
    most: () =>
      Math.max(
        0,
        ...[...signals].map((ref) => {
          const signal = ref.deref();
          return signal === undefined ? 0 : getEventListeners(signal, 'abort').length;
        }),
      ),
    stop: () => {
      Object.defineProperty(EventTarget.prototype, 'addEventListener', original);
    },
  };
}
