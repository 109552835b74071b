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
