/** What a server wrote before it ended, as the node quotes it: the server's own words stand behind a mark. */

/** Stands between the node's words and those of the server. */
const MARK = '; it last wrote: ';

/** The words of the node, and behind them what the server last wrote, if anything. */
export function withLastWords(own: string, last: string | undefined): string {
  return last === undefined ? own : `${own}${MARK}${last}`;
}

/** The words of the node alone. */
export function withoutLastWords(text: string): string {
  return text.split(MARK, 1)[0] ?? '';
}

/** What stands behind the words of an error: frames and members of a trace, and what a runtime or a shell says at its end. */
const TAIL =
  /^(?:\s.*|[}\])]+;?|Node\.js v\d.*|exit status \d+|note: run with `RUST_BACKTRACE=.*|)$/;
/** How runtimes begin the words of an error that nobody has caught: Node.js, Python, Java, Go. */
const HEAD =
  /^(?:Uncaught )?(?:[\w.$]*(?:Error|Exception)\b[^:]*|Exception in thread .*|panic): ?\S/;
const NPM = /^npm (?:error|ERR!)/;
/** What npm says of an error before and after it says what the error is. */
const NPM_AROUND =
  /^npm (?:error|ERR!)(?: (?:code|errno|syscall|path|dest)\b.*| A complete log.*|\s*)$/;

/**
 * The line that tells why a program has ended, of the last lines that it wrote: the words of an error in place of the end of
 * its trace. Undefined where it wrote nothing.
 */
export function lastWordsOf(lines: readonly string[]): string | undefined {
  const last = lines.findLastIndex((line) => !TAIL.test(line));
  if (last === -1) return lines.findLast((line) => line.trim() !== '');
  const end = lines[last];
  if (end !== undefined && NPM.test(end)) {
    return lines.find((line) => NPM.test(line) && !NPM_AROUND.test(line)) ?? end;
  }
  const hasTrace = lines.slice(last + 1).some((line) => line.trim() !== '');
  if (!hasTrace) return end;
  return lines.slice(0, last + 1).findLast((line) => HEAD.test(line)) ?? end;
}
