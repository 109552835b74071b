/**
 * `starling completion`: the scripts by which bash, zsh and fish complete. Each holds a table of what may follow which
 * command, so that nothing is started while somebody types; where no word fits, files are offered.
 */

/** What may follow the words of a command. */
interface Place {
  readonly path: string;
  readonly words: readonly { readonly word: string; readonly text: string }[];
}

/** Prints the script of a shell. */
export async function run(shell: string, places: readonly Place[]): Promise<void> {
  const script = shell === 'fish' ? fish(places) : shell === 'zsh' ? zsh(places) : bash(places);
  process.stdout.write(`${script}\n`);
}

/** Follows the words of the line as long as they are commands; `next` is the shell's own way to take the next one. */
function walk(places: readonly Place[], path: string, word: string): string {
  const known = places.filter((place) => place.path !== '').map((place) => `"${place.path}"`);
  return `case "\${${path}:+$${path} }$${word}" in ${known.join('|')}) ${path}="\${${path}:+$${path} }$${word}" ;; esac`;
}

function bash(places: readonly Place[]): string {
  const rows = places.map(
    ({ path, words }) => `    "${path}") words="${words.map(({ word }) => word).join(' ')}" ;;`,
  );
  return [
    '# Completes this program in bash.',
    '_starling() {',
    '  local current="${COMP_WORDS[COMP_CWORD]}" path="" words="" word',
    '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
    `    ${walk(places, 'path', 'word')}`,
    '  done',
    '  case "$path" in',
    ...rows,
    '  esac',
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    '}',
    'complete -o bashdefault -o default -F _starling starling',
  ].join('\n');
}

function zsh(places: readonly Place[]): string {
  const rows = places.map(
    ({ path, words }) =>
      `    "${path}") found=(${words.map(({ word, text }) => quoted(`${word.replaceAll(':', '\\:')}:${line(text)}`)).join(' ')}) ;;`,
  );
  return [
    '#compdef starling',
    '# Completes this program in zsh.',
    '_starling() {',
    '  local at="" one; local -a found',
    '  for one in "${words[@]:1:$((CURRENT-2))}"; do',
    `    ${walk(places, 'at', 'one')}`,
    '  done',
    '  case "$at" in',
    ...rows,
    '  esac',
    "  _describe 'starling' found || _files",
    '}',
    'compdef _starling starling',
  ].join('\n');
}

function fish(places: readonly Place[]): string {
  const paths = places.filter(({ path }) => path !== '').map(({ path }) => quoted(path));
  const rows = places.flatMap(({ path, words }) =>
    words.map(
      ({ word, text }) =>
        `complete -c starling -n ${quoted(`__starling_at ${quoted(path)}`)} -a ${quoted(word)} -d ${quoted(line(text))}`,
    ),
  );
  return [
    '# Completes this program in fish.',
    'function __starling_at',
    '  set -l path ""',
    '  for word in (commandline -opc)[2..-1]',
    '    set -l next (string trim -- "$path $word")',
    `    contains -- "$next" ${paths.join(' ')}; and set path "$next"`,
    '  end',
    '  test "$path" = "$argv[1]"',
    'end',
    ...rows,
  ].join('\n');
}

/** One word of a shell, whatever is in it. Fish takes the backslash before a quote; texts have none of both. */
function quoted(text: string): string {
  return text.includes("'") ? `"${text.replaceAll(/["\\$`]/g, '')}"` : `'${text}'`;
}

/** The first line of a description, without what a shell would take for more than text. */
function line(text: string): string {
  return (text.split('\n', 1)[0] ?? '').replaceAll(/['"`$\\]/g, '');
}
