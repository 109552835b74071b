/** Grants that are given as arguments of a command, or on its standard input. */
import { StarlingError } from '../../core/errors.ts';
import { readStdin } from '../terminal/stdin.ts';

/** The texts in `words`, split at blanks; `-` stands for standard input. @throws STARLING_USAGE */
export async function readGrantTexts(words: readonly string[]): Promise<readonly string[]> {
  const texts: string[] = [];
  for (const word of words) texts.push(word === '-' ? await readStdin('the grants') : word);
  const tokens = texts.flatMap((text) => text.split(/\s+/)).filter((token) => token !== '');
  if (tokens.length > 0) return [...new Set(tokens)];
  throw new StarlingError('STARLING_USAGE', 'there is no grant in it', {
    hint: 'a grant is a text of three parts, as printed by: starling grant export <id>',
  });
}
