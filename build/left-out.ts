/** Which of the chunks that are built are not for the package: what only the tools beside the program load. */
import type { OutputBundle, Plugin } from 'rolldown';

/** Lists, in a file that `npm pack` reads, whatever no entry of `packaged` needs. */
export function leftOut(packaged: readonly string[]): Plugin {
  return {
    name: 'left-out',
    generateBundle(_, bundle) {
      const needed = reachedFrom(bundle, packaged);
      const others = Object.keys(bundle).filter((name) => !needed.has(name));
      const source = ['types', ...others].map((name) => `/${name}\n`).join('');
      this.emitFile({ type: 'asset', fileName: '.npmignore', source });
    },
  };
}

/** The files of a bundle that the entries of these names load, now or later. */
export function reachedFrom(bundle: OutputBundle, entries: readonly string[]): ReadonlySet<string> {
  const reached = new Set<string>();
  const waiting = Object.values(bundle)
    .filter((chunk) => chunk.type === 'chunk' && chunk.isEntry && entries.includes(chunk.name))
    .map(({ fileName }) => fileName);
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const chunk = bundle[name];
    if (chunk?.type !== 'chunk' || reached.has(name)) continue;
    reached.add(name);
    waiting.push(...chunk.imports, ...chunk.dynamicImports);
  }
  return reached;
}
