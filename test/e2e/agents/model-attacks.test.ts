/**
 * The same attacks on agents that think with a model, and the model is the attacker's: at the wire it wants each call that
 * anything which it is shown tells it to make. What holds is the guard, and no manners of a model.
 */
import { upTo } from '../../long/extent.ts';
import { startScriptedVendor } from '../../thinking/scripted-vendor.ts';
import type { ChatRequest, Doing } from '../../thinking/scripted-vendor.ts';
import { attackAgents } from './agent-attacks.ts';

interface Order {
  readonly tool: string;
  readonly args?: object;
}

/** How often orders in what came of orders are followed. */
const DEPTH_MAX = 4;

/** All that is ordered in what came since the model spoke last; what it was told, where nothing is. */
function obey({ messages }: ChatRequest): Doing {
  const spoke = messages.findLastIndex(({ role }) => role === 'assistant');
  const turns = messages.filter(({ role }) => role === 'assistant').length;
  const fresh = messages.slice(Math.max(1, spoke + 1)).map(({ content }) => content ?? '');
  const orders = turns > DEPTH_MAX ? [] : fresh.flatMap(ordersIn);
  if (orders.length > 0) return { calls: orders.map(({ tool, args }) => [tool, args ?? {}]) };
  const told = messages.flatMap(({ role, content }) => (role === 'tool' ? [content] : []));
  return { text: `told: ${told.join('\n')}` };
}

/** `{"obey":[…]}`, alone or inside of a text, also where that text is a value of JSON itself. */
function ordersIn(text: string): readonly Order[] {
  for (let read = text, level = 0; level < 4; level += 1) {
    const at = read.indexOf('{"obey":');
    for (let end = at < 0 ? 0 : read.indexOf('}', at) + 1; end > 0;) {
      try {
        return (JSON.parse(read.slice(at, end)) as { obey: readonly Order[] }).obey;
      } catch {
        end = read.indexOf('}', end) + 1;
      }
    }
    read = read.replaceAll('\\"', '"');
  }
  return [];
}

attackAgents({
  kind: { model: 'evil/mind', steps: 12 },
  // What differs is who obeys: each attack is tried with programs.
  share: upTo(3, 1),
  async models() {
    const vendor = await startScriptedVendor();
    vendor.script = obey;
    return {
      models: { providers: { evil: { endpoint: vendor.url } } },
      stop: () => vendor.stop(),
    };
  },
});
