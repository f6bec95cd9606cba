import { isIP } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'

/** Under what names and addresses a certificate is valid; each once. */
export interface CertificateNames {
  readonly hosts: readonly string[]
  readonly addresses: readonly string[]
}

/** What this machine is called and where it can be reached. */
export interface Machine {
  readonly hostName: string
  readonly addresses: readonly string[]
}

export function thisMachine(): Machine {
  const addresses = Object.values(networkInterfaces()).flatMap(
    (all) => all?.map(({ address }) => address) ?? [],
  )
  return { hostName: hostname(), addresses }
}

/** The names for which this machine's certificate is made. */
export function certificateNames(machine: Machine, publicName: string | undefined): CertificateNames {
  const own = machine.hostName.toLowerCase().replace(/\.$/, '')
  const hosts = [own, own.includes('.') ? undefined : `${own}.local`, 'localhost', publicName?.toLowerCase()]
  const addresses = ['127.0.0.1', '::1', ...machine.addresses, publicName]
  return {
    hosts: unique(hosts.filter((name) => name !== undefined && isDnsName(name))),
    addresses: unique(addresses.filter((address) => address !== undefined && isReachable(address))).sort(),
  }
}

function isDnsName(name: string): boolean {
  return isIP(name) === 0 && /^[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?$/.test(name)
}

/** Link-local IPv6 addresses are valid with a zone only, which a certificate cannot name. */
function isReachable(address: string): boolean {
  return isIP(address) !== 0 && !/^fe[89ab]|%/i.test(address)
}

function unique(values: readonly (string | undefined)[]): string[] {
  return [...new Set(values as readonly string[])]
}
