/** The channel of a connection to an MCP server, whatever carries its messages. */
import { createChannel } from '../wire/channel.ts';
import type { ChannelComponents, ChannelCore } from '../wire/channel.ts';

/** What such a channel is bounded by, and how its server is called. */
export interface ServerChannelInit {
  readonly name: string;
  readonly server: { readonly timeoutMs: number };
  readonly callTotalMs: number;
  readonly callsMax: number;
}

/** What a connection brings: its lower end, and what was odd about what came so far. */
export interface ServerChannelEnd extends Pick<ChannelComponents, 'invalid' | 'send'> {
  oddity(this: void): string | undefined;
}

/** Makes it over `end`. */
export function createServerChannel(
  { clock, listener, logger }: Pick<ChannelComponents, 'clock' | 'listener' | 'logger'>,
  { name, server, callTotalMs, callsMax }: ServerChannelInit,
  { oddity, ...end }: ServerChannelEnd,
): ChannelCore {
  const bounds = { callTimeoutMs: server.timeoutMs, callTotalMs, callsMax };
  const init = { title: `server '${name}'`, kind: 'server', oddity, ...bounds } as const;
  return createChannel({ ...end, listener, clock, logger }, init);
}
