/** Why a server at a URL can't be reached, in our words: what the system says is for programmers. Pure. */
import { messageOf } from '../../core/index.ts';

/** How the system says it, and what is said in place of that; `$1` is what the form captures. */
const WORDS: readonly (readonly [theirs: RegExp, ours: string])[] = [
  [/ECONNREFUSED (\S+?)(?:;|$)/, 'nothing listens at $1'],
  [/ECONNREFUSED/, 'nothing listens there'],
  [/(?:ENOTFOUND|EAI_AGAIN) (\S+)/, 'the name $1 is not known here'],
  [/EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL/, 'this machine has no way there'],
  [/ETIMEDOUT/, 'no answer in time'],
  [
    /ECONNRESET|EPIPE|socket hang up|^aborted$|premature close|^terminated$/i,
    'whoever is there ended the connection',
  ],
  [/alert (?:certificate required|handshake failure)/, 'it wants a certificate of ours (`tls`)'],
  [
    /alert (?:unknown ca|bad certificate|certificate \w+|unsupported certificate|access denied)/,
    'it does not take our certificate (`tls.cert`)',
  ],
  [
    /EPROTO|wrong version number|Parse Error/,
    'what is there does not speak the protocol of the URL',
  ],
];

/** The reason of a failed request; one that nobody has words for stays as it is. */
export function failureText(error: unknown): string {
  // `fetch` says only that it failed; why stands in the cause.
  if (error instanceof TypeError && error.cause instanceof Error) return failureText(error.cause);
  const text = messageOf(error);
  const found = WORDS.find(([theirs]) => theirs.test(text));
  if (found === undefined) return text;
  const [theirs, ours] = found;
  return ours.replace('$1', theirs.exec(text)?.[1] ?? 'there');
}
