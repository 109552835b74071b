/** Options that say something only beside another one, or that say nothing beside it. */
import { StarlingError } from '../../core/errors.ts';

/**
 * Refuses each of `names` that was given: an option that does nothing would be left out in silence.
 *
 * @param names as the options object has them, like `maxDepth` for `--max-depth`
 * @throws STARLING_USAGE
 */
export function refuseOptions<T extends object>(
  options: T,
  names: readonly (keyof T & string)[],
  refusal: { readonly why: string; readonly hint: string },
): void {
  const given = names.filter((name) => options[name] !== undefined && options[name] !== false);
  if (given.length === 0) return;
  const flags = given.map(
    (name) => `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
  );
  throw new StarlingError('STARLING_USAGE', `${flags.join(' and ')} ${refusal.why}`, {
    hint: refusal.hint,
  });
}
