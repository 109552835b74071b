/** Members of a mesh over a transport in memory, for tests of that transport. */
import type { MemoryNetwork } from '../../sim/memory-transport.ts';
import { acquaint, makeMember } from '../network/support.ts';
import type { Member } from '../network/support.ts';

let hosts = 0;

/** Members on hosts of their own in one network of memory, started; `ips` are their addresses. */
export async function members(
  memory: MemoryNetwork,
  names: readonly string[],
  init: { readonly listen?: readonly string[]; readonly relay?: boolean } = {},
): Promise<{ readonly all: readonly Member[]; readonly ips: readonly string[] }> {
  const ips = names.map(() => `10.77.0.${(hosts += 1)}`);
  const all = await Promise.all(
    names.map((name, at) =>
      makeMember(
        name,
        { listen: [`/ip4/${ips[at]}/tcp/4040`], ...init },
        { transports: [memory.host(ips[at] ?? '')] },
      ),
    ),
  );
  acquaint(all);
  await Promise.all(all.map(({ network }) => network.start()));
  return { all, ips };
}
