/** Pieces of Markdown for the pages of `docs/reference`. */

const HEAD =
  '<!-- Written by `npm run docs` from the code; a test compares. Change the code instead. -->';

/** A page: its title, a few lines of introduction, and its parts, with an empty line between them. */
export function page(title: string, intro: string, parts: readonly string[]): string {
  return `${[`# ${title}`, HEAD, intro, ...parts].join('\n\n')}\n`;
}

/** A table; what Markdown would take for more than text in a cell is made harmless outside of code. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cellOf).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function cellOf(text: string): string {
  return text
    .replaceAll(/\s*\n\s*/g, ' ')
    .replaceAll('|', '\\|')
    .split('`')
    .map((part, index) => (index % 2 === 0 ? part.replaceAll(/[<*]/g, '\\$&') : part))
    .join('`');
}

/** Text as code; nothing for nothing. */
export function code(text: string): string {
  return text === '' ? '' : `\`${text}\``;
}

/** A sentence with a capital letter and a full stop, for cells that hold one. */
export function sentence(text: string): string {
  if (text === '') return '';
  const capital = /^[a-z]/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return /[.!?:]$/.test(capital) ? capital : `${capital}.`;
}
