/**
 * Lets the conformance suite start on Node 20, whose `fs` has no `globSync`: the suite's own import
 * of `fs` gets a module that has one. Load it with `node --import`.
 */
import { register } from 'node:module';

const hooks = `
export async function resolve(specifier, context, next) {
  const wants = specifier === 'fs' || specifier === 'node:fs';
  return wants && (context.parentURL ?? '').includes('/conformance/dist/')
    ? { url: ${JSON.stringify(new URL('fs-with-glob.mjs', import.meta.url).href)}, shortCircuit: true }
    : next(specifier, context);
}`;

register(`data:text/javascript,${encodeURIComponent(hooks)}`);
