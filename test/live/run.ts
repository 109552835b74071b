/**
 * `npm run live`: real vendors and local servers of models through a node, where their keys or addresses are in the
 * environment (`OPENAI_API_KEY`, `ANTHROPIC_API_KEY`, `GEMINI_API_KEY`, `OPENROUTER_API_KEY`, `STARLING_LIVE_URL`); the rest
 * is said not to be measured. Costs what some 70 short questions cost, a vendor. Exit code 1 when one that was asked fails.
 */
import { askLive } from './live.ts';
import { table } from '../../sim/bench/bars.ts';

const rows = await askLive(process.env);
const cells = rows.map(({ vendor, check, outcome, detail }) => [
  `${vendor}: ${check}`,
  outcome,
  detail.replaceAll(/\s+/g, ' '),
]);
process.stdout.write(table(['live', '', ''], cells));
if (rows.some(({ outcome }) => outcome === 'failed')) process.exitCode = 1;
