/** Which interfaces of a machine lead to a network of other machines. Pure. */
import type { NetworkInterfaceInfo } from 'node:os';

/** Interfaces that containers and virtual machines hang on: nobody outside this machine gets there. */
export const BRIDGES =
  /^(docker|br-|veth|virbr|vnet|lxc|lxd|cni|flannel|cali|podman|vmnet|vboxnet|bridge|nerdctl|kube)/;

/** Interfaces that multicast goes out on: each query is answered on each by each node of this machine. */
const INTERFACES_MAX = 4;

/** An interface and its first IPv4 address, by which a socket chooses the interface. */
export interface LanInterface {
  readonly name: string;
  readonly address: string;
}

/** The interfaces that multicast goes out on; bridges only where there is nothing else. */
export function lanInterfaces(
  all: Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>,
): readonly LanInterface[] {
  const found = Object.entries(all).flatMap(([name, infos = []]) => {
    const info = infos.find(({ family, internal }) => family === 'IPv4' && !internal);
    return info === undefined ? [] : [{ name, address: info.address }];
  });
  const outside = found.filter(({ name }) => !BRIDGES.test(name));
  return (outside.length === 0 ? found : outside).slice(0, INTERFACES_MAX);
}
