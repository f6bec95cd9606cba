import { X509Certificate } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { DroverError } from '@drover/protocol'
import type { Clock } from '../../runtime/clock.ts'
import { randomBase62 } from '../../runtime/ids.ts'
import { readPair, writePair } from './files.ts'
import type { CertificatePair } from './issue.ts'
import { type CertificateNames, certificateNames, type Machine, thisMachine } from './names.ts'

export interface CertificatesOptions {
  /** Where the four files are kept; made if it is missing. */
  readonly directory: string
  /** A name or address of this machine that it does not know of itself. */
  readonly publicName: string | undefined
  readonly clock: Clock
  /** What this machine is called now; asked again at every check. */
  readonly machine?: () => Machine
  /** Told when a renewal failed; the old certificate goes on, and the next check tries again. */
  readonly onError?: (error: unknown) => void
}

/** The certificates of this installation. All texts are PEM. */
export interface Certificates {
  /** What devices and browsers are told to trust. Stays the same for ten years. */
  readonly caPem: string
  /** The server's certificate and key as they are now. */
  readonly certificatePem: string
  readonly keyPem: string
  /** Calls `listener` with every new server certificate; the answer ends that. */
  onChange(listener: (pair: CertificatePair) => void): () => void
  /** Stops watching names and age. */
  close(): void
}

const dayMs = 86_400_000
const renewBeforeMs = 30 * dayMs
const checkEveryMs = 60_000

/**
 * Opens the certificates in the directory, making or renewing what is missing, about to end, or not made for the names
 * that this machine has now; then looks again every minute. Throws `corruptData` when the authority is damaged: a new
 * one would have to be brought to every device.
 */
export async function openCertificates(options: CertificatesOptions): Promise<Certificates> {
  const { directory, publicName, clock, machine = thisMachine, onError = () => {} } = options
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const nowMs = () => clock.nowMicros() / 1000
  const names = () => certificateNames(machine(), publicName)
  const authority = await openAuthority(directory, machine().hostName, nowMs())
  const listeners = new Set<(pair: CertificatePair) => void>()

  const stored = readPair(directory, 'server')
  let server = stored === 'damaged' || !stored ? undefined : stored
  let checking = false
  const check = async () => {
    const wanted = names()
    if (server && isGood(server, authority, wanted, nowMs())) return
    // Loaded when it is needed only, which is seldom.
    const { issueServer } = await import('./issue.ts')
    const renewed = await issueServer(authority, wanted, nowMs())
    writePair(directory, 'server', renewed)
    server = renewed
    for (const listener of listeners) listener(renewed)
  }
  await check()
  const stop = clock.every(checkEveryMs, () => {
    if (checking) return
    checking = true
    check()
      .catch(onError)
      .finally(() => {
        checking = false
      })
  })

  return {
    caPem: authority.certificatePem,
    get certificatePem() {
      return server!.certificatePem
    },
    get keyPem() {
      return server!.keyPem
    },
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    close: stop,
  }
}

async function openAuthority(directory: string, hostName: string, nowMs: number): Promise<CertificatePair> {
  const stored = readPair(directory, 'ca')
  if (stored === 'damaged')
    throw new DroverError('corruptData', {
      what: directory,
      reason: 'ca.pem and ca-key.pem do not belong together',
    })
  if (stored && !endsSoon(new X509Certificate(stored.certificatePem), nowMs)) return stored
  const { issueAuthority } = await import('./issue.ts')
  // The name tells installations apart in a list of trusted authorities.
  const name = `Drover ${hostName.slice(0, 40)} ${randomBase62(6)}`
  const authority = await issueAuthority(name, nowMs, stored?.keyPem)
  writePair(directory, 'ca', authority)
  return authority
}

function isGood(
  pair: CertificatePair,
  authority: CertificatePair,
  names: CertificateNames,
  nowMs: number,
): boolean {
  const certificate = new X509Certificate(pair.certificatePem)
  const issuer = new X509Certificate(authority.certificatePem)
  return !endsSoon(certificate, nowMs) && certificate.checkIssued(issuer) && isFor(certificate, names)
}

function endsSoon(certificate: X509Certificate, nowMs: number): boolean {
  return certificate.validToDate.getTime() - nowMs < renewBeforeMs
}

/** Whether the certificate is for all these names and no others. */
function isFor(certificate: X509Certificate, { hosts, addresses }: CertificateNames): boolean {
  const count = certificate.subjectAltName?.split(', ').length
  return (
    count === hosts.length + addresses.length &&
    hosts.every((host) => certificate.checkHost(host) !== undefined) &&
    addresses.every((address) => certificate.checkIP(address) !== undefined)
  )
}
