/** Whether the ports that the node wants are free, or held by the node itself. */
import { createServer } from 'node:net';
import type { Config } from '../../config/index.ts';
import { finding } from './check.ts';
import type { Check, Finding } from './check.ts';

interface Port {
  readonly host: string;
  readonly port: number;
  readonly what: string;
  readonly key: string;
}

/** Tries to listen on each port, unless a running node holds them. */
export const ports: Check = {
  name: 'ports',
  run: async (context) => {
    if (context.status !== undefined)
      return [finding('ports', 'ok', 'the running node holds its ports')];
    if (context.config === undefined) return [];
    return Promise.all(wanted(context.config).map(checkPort));
  },
};

function wanted(config: Config): readonly Port[] {
  const listens = config.listen.flatMap((address) => {
    const match = /^\/ip[46]\/([^/]+)\/tcp\/(\d+)/.exec(address);
    const [, host, port] = match ?? [];
    return host === undefined || port === undefined || port === '0'
      ? []
      : [{ host, port: Number(port), what: address, key: '--listen' }];
  });
  const endpoints = [
    { ...config.http, protocol: 'HTTP', key: '--http-port' },
    { ...config.tcp, protocol: 'TCP', key: '--tcp' },
  ]
    .filter(({ enabled, port }) => enabled && port !== 0)
    .map(({ host, port, protocol, key }) => ({
      host,
      port,
      what: `${protocol} ${host}:${port}`,
      key,
    }));
  return [...listens, ...endpoints];
}

const NO_FAMILY = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EPROTONOSUPPORT']);

function checkPort({ host, port, what, key }: Port): Promise<Finding> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      // A node passes over "all addresses" of a family that the machine does not have.
      if (['0.0.0.0', '::'].includes(host) && NO_FAMILY.has(error.code ?? '')) {
        resolve(finding('ports', 'ok', `${what}: this machine has no such addresses`));
        return;
      }
      resolve(
        finding(
          'ports',
          'fail',
          `${what}: ${error.message}`,
          `stop the program that holds it, or choose another with ${key}`,
        ),
      );
    });
    // As the node does: else the one family is in the way of the other.
    probe.listen({ port, host, ipv6Only: host.includes(':') }, () => {
      probe.close(() => resolve(finding('ports', 'ok', `${what} is free`)));
    });
  });
}
