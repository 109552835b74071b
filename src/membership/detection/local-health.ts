/**
 * How well this node itself keeps up, from 0 (well) to {@link WORST}: a node that is slow hears late, and would blame
 * others for that (Lifeguard: Dadgar et al., DSN-W 2018, "local health aware probe").
 */

/** More = a node that is slow for long suspects others ever later, `1 + WORST` times as late at the most. */
const WORST = 8;
/** A look at the peers that comes so late is one more sign. Less = shorter stalls count, of which a loaded machine has many. */
export const LATE_MS = 500;
/** Each time that a look is so many times later, the sign counts once more: whoever slept for a minute is worse by four. */
const LATE_FACTOR = 4;
/** After so many looks in time it is one better. More = it is believed later that the node keeps up again. */
const CLEAN_LOOKS = 4;

/** The health of this node. */
export interface LocalHealth {
  /** 0 when all is well. */
  readonly score: number;
  /** A look at the peers came `lateMs` late. */
  looked(lateMs: number): void;
  /** Somebody who was suspect here has said something, or this node was suspect elsewhere. */
  wasWrong(): void;
  /** Most of its peers are suspect here at once: more likely it is this node that is cut off, or slow. */
  lostMost(): void;
}

/** Makes it, well. */
export function createLocalHealth(): LocalHealth {
  let score = 0;
  let clean = 0;
  const worse = (by = 1): void => {
    score = Math.min(WORST, score + by);
    clean = 0;
  };
  return {
    get score() {
      return score;
    },
    looked(lateMs) {
      if (lateMs > LATE_MS) {
        worse(1 + Math.floor(Math.log(lateMs / LATE_MS) / Math.log(LATE_FACTOR)));
        return;
      }
      clean += 1;
      if (clean < CLEAN_LOOKS) return;
      clean = 0;
      score = Math.max(0, score - 1);
    },
    wasWrong: () => worse(),
    lostMost() {
      if (score === 0) worse();
    },
  };
}
