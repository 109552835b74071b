/** What `starling request` says of the answers of a peer's guardian. */
import { limitText } from '../../../core/words/limit-words.ts';
import { duration } from '../output.ts';

/** What a peer's guardian answers. */
export interface PermissionAnswered {
  readonly granted: boolean;
  readonly reason: string;
  readonly pending?: string;
  readonly id?: string;
  readonly expiresAt?: number;
  /** Caveats of the grant, or of the one that a yes would give: a name, a colon, and JSON. */
  readonly restrictions?: readonly string[];
  /** How long the grant would last that a yes gives, ms. */
  readonly lifetimeMs?: number;
}

/** What was asked for, and of whom. */
export interface PermissionAsked {
  readonly peer: string;
  readonly scope: string;
}

/** Of itself the guardian says so where it gives the same grant again: for a person the grant is what counts. */
const AGAIN = 'it was granted already';
/** What nobody was asked about. */
const NOT_PASSED_ON = /^(?:not passed on: |the justification scores )/;
const RATE = /^rate: \{"per_s":([\d.e-]+),"burst":(\d+)\}$/;
const USES = /^uses: (\d+)$/;

/** The last answer in one line. */
export function answerText(answer: PermissionAnswered, { peer, scope }: PermissionAsked): string {
  const { granted, reason, expiresAt } = answer;
  if (!granted) {
    const isOld = NOT_PASSED_ON.test(reason) && !reason.startsWith('not');
    return NOT_PASSED_ON.test(reason)
      ? `${isOld ? 'not passed on: ' : ''}${reason}`
      : `${peer} says no: ${reason}`;
  }
  const until = expiresAt === undefined ? '' : ` for ${duration(expiresAt - Date.now())}`;
  const why = reason === AGAIN ? '' : `: ${reason}`;
  return `${peer} grants ${scope}${until}${boundsOf(answer)}${why}`;
}

/** Lines while a person is asked: for how long this program waits, and what a yes would give. */
export function waitText(
  answer: PermissionAnswered,
  { peer, waitMs }: { readonly peer: string; readonly waitMs: number },
): readonly string[] {
  const { lifetimeMs } = answer;
  return [
    `… waits until somebody at ${peer} answers, for up to ${duration(waitMs)}; Ctrl-C stops waiting, the request stays`,
    ...(lifetimeMs === undefined
      ? []
      : [`a yes gives it for ${duration(lifetimeMs)}${boundsOf(answer)}`]),
  ];
}

function boundsOf({ restrictions = [] }: PermissionAnswered): string {
  return restrictions
    .map((text) => {
      const [, perS, burst] = RATE.exec(text) ?? [];
      if (perS !== undefined && Number(perS) > 0) {
        return `, ${limitText('rate', { per_s: Number(perS), burst: Number(burst) })}`;
      }
      const [, uses] = USES.exec(text) ?? [];
      return uses === undefined ? '' : `, ${uses} times at the most`;
    })
    .join('');
}
