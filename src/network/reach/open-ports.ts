/**
 * Has the routers of this machine's networks open the ports on which the node listens, by choice of the operator, keeps
 * them open, and has them closed at the end. That a port is open nobody takes a router's word for: `dial-back.ts` finds
 * out where others see this node, and tells of it only what was reached.
 */
import type { Multiaddr } from '@multiformats/multiaddr';
import { messageOf, withDeadline } from '../../core/index.ts';
import type { Clock, Logger, Scope } from '../../core/index.ts';
import { ROUTER_CLOSE_MS, ROUTER_LEASE_MS, ROUTER_LOOK_MS, ROUTER_TOTAL_MS } from '../constants.ts';
import { findRouters } from './find-router.ts';
import { closePort, openPort, readRouter } from './router.ts';
import type { Router } from './router.ts';

/** What it works with. */
export interface OpenPortsComponents {
  /** Where this node listens on the interfaces of its machine. */
  readonly listeners: () => readonly Multiaddr[];
  /** The IPv4 addresses of this machine on networks of other machines. */
  readonly lanIps: () => readonly string[];
  /** Where routers are asked for; only tests have another place. */
  readonly group?: { readonly address: string; readonly port: number };
  readonly clock: Clock;
  readonly logger: Logger;
  /** Owns the timer. */
  readonly scope: Scope;
}

/** Ports that routers open. */
export interface OpenPorts {
  /** Asks for them now, and again and again. */
  start(): void;
  /** Resolves once the round that is under way is over. Never rejects. */
  settled(): Promise<void>;
  /** Has them closed, in {@link ROUTER_CLOSE_MS} at the most. Never rejects. */
  stop(): Promise<void>;
}

/** Makes it; nobody is asked yet. */
export function createOpenPorts(components: OpenPortsComponents): OpenPorts {
  return new Opener(components);
}

interface Opened {
  readonly router: Router;
  readonly port: number;
}

class Opener implements OpenPorts {
  readonly #components: OpenPortsComponents;
  /** By router and port. */
  readonly #opened = new Map<string, Opened>();
  #round: Promise<void> = Promise.resolve();
  /** What was said last of each network, so that it is not said again. */
  readonly #said = new Map<string, string>();

  constructor(components: OpenPortsComponents) {
    this.#components = components;
  }

  start(): void {
    const look = (): void => {
      this.#round = this.#round.then(() => this.#look());
    };
    look();
    this.#components.scope.every(ROUTER_LOOK_MS, look);
  }

  settled(): Promise<void> {
    return this.#round;
  }

  async stop(): Promise<void> {
    const { clock, logger } = this.#components;
    await this.#round;
    const all = [...this.#opened.values()];
    this.#opened.clear();
    try {
      await withDeadline(clock, ROUTER_CLOSE_MS, (signal) =>
        Promise.all(all.map(({ router, port }) => closePort(router, port, signal))),
      );
    } catch (error) {
      logger.info(
        { error: messageOf(error) },
        'ports of a router stay open until their time is over',
      );
    }
  }

  /** One network after the other: most machines are on one. */
  async #look(): Promise<void> {
    const { clock, lanIps, scope } = this.#components;
    for (const ip of lanIps()) {
      if (scope.closed) return;
      const ports = this.#portsAt(ip);
      if (ports.length === 0) continue;
      try {
        await withDeadline(
          clock,
          ROUTER_TOTAL_MS,
          (signal) => this.#open(ip, ports, signal),
          scope.signal,
        );
      } catch (error) {
        this.#say(ip, messageOf(error));
      }
    }
  }

  async #open(ip: string, ports: readonly number[], signal: AbortSignal): Promise<void> {
    const { clock, group } = this.#components;
    const places = await findRouters(clock, ip, signal, group);
    let last: unknown = new Error('no router of this network opens ports');
    for (const place of places) {
      try {
        const router = await readRouter(place, signal);
        for (const port of ports) {
          await openPort(router, { port, client: ip, leaseS: ROUTER_LEASE_MS / 1000 }, signal);
          this.#opened.set(`${router.control.href} ${port}`, { router, port });
        }
        this.#say(ip, `the router at ${place.hostname} has opened ${ports.join(', ')}`);
        return;
      } catch (error) {
        signal.throwIfAborted();
        last = error;
      }
    }
    throw last;
  }

  /** The TCP ports on which the node listens at this address. */
  #portsAt(ip: string): readonly number[] {
    const ports = this.#components.listeners().flatMap((address) => {
      const [host, port] = address.getComponents();
      return host?.value === ip && port?.name === 'tcp' ? [Number(port.value)] : [];
    });
    return [...new Set(ports)];
  }

  #say(ip: string, what: string): void {
    if (this.#said.get(ip) === what) return;
    this.#said.set(ip, what);
    this.#components.logger.info({ address: ip }, `UPnP: ${what}`);
  }
}
