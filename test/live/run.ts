/**
 * `npm run live`: real vendors and local servers of models through a node, where their keys or addresses are in the
 * environment (`OPENAI_API_KEY`, `ANTHROPIC_API_KEY`, `GEMINI_API_KEY`, `OPENROUTER_API_KEY`, `STARLING_LIVE_URL`); the rest
 * is said not to be measured. Costs what some 70 short questions cost, a vendor. Exit code 1 when one that was asked fails.
 */
import { askLive } from './live.ts';
import { readOptions } from '../../sim/command-options.ts';
import { table } from '../../sim/bench/bars.ts';

const USAGE = `
npm run live: asks real vendors and local servers of models through a node, some 70 short questions each, which cost money

It asks those of which one of these variables is set, and says of the rest that they are not measured:
  OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, OPENROUTER_API_KEY
  STARLING_LIVE_URL  a local server, with STARLING_LIVE_MODEL_LOCAL and STARLING_LIVE_EMBEDDING_LOCAL
`;
readOptions({ usage: USAGE, options: {} });
const rows = await askLive(process.env);
const cells = rows.map(({ vendor, check, outcome, detail }) => [
  `${vendor}: ${check}`,
  outcome,
  detail.replaceAll(/\s+/g, ' '),
]);
process.stdout.write(table(['live', '', ''], cells));
if (rows.some(({ outcome }) => outcome === 'failed')) process.exitCode = 1;
