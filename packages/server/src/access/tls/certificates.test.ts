import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { checkServerIdentity, connect, createServer } from 'node:tls'
import { isDroverError } from '@drover/protocol'
import type { Clock } from '../../runtime/clock.ts'
import { type Certificates, openCertificates } from './certificates.ts'
import type { CertificatePair } from './issue.ts'
import type { Machine } from './names.ts'

const dayMs = 86_400_000

/** A machine and a time that the test sets, in a directory of its own. */
class Site {
  readonly directory: string
  machine: Machine = {
    hostName: 'Plant7',
    addresses: ['127.0.0.1', '192.0.2.7', '2001:db8::7', 'fe80::1%eth0'],
  }
  nowMs = Date.now()
  publicName: string | undefined
  readonly errors: unknown[] = []
  #task = () => {}

  constructor(directory: string) {
    this.directory = directory
  }

  open(): Promise<Certificates> {
    const clock: Clock = {
      nowMicros: () => this.nowMs * 1000,
      every: (_, task) => {
        this.#task = task
        return () => {
          this.#task = () => {}
        }
      },
    }
    const { directory, publicName } = this
    const onError = (error: unknown) => void this.errors.push(error)
    return openCertificates({ directory, publicName, clock, machine: () => this.machine, onError })
  }

  passMinute(): void {
    this.#task()
  }
}

async function newSite(t: TestContext): Promise<Site> {
  const directory = await mkdtemp(join(tmpdir(), 'drover-tls-'))
  t.after(() => rm(directory, { recursive: true }))
  return new Site(join(directory, 'tls'))
}

/** Resolves when a client that trusts the authority accepts the certificate under the name; else rejects. */
async function verify(
  certificates: Certificates,
  name: string,
  identity?: typeof checkServerIdentity,
): Promise<void> {
  const { certificatePem, keyPem, caPem } = certificates
  const server = createServer({ cert: certificatePem, key: keyPem }, (socket) => void socket.end())
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect({
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    ca: caPem,
    // Not every name leads to this machine: the client connects to the loopback and asks for the name.
    checkServerIdentity: identity ?? ((_, certificate) => checkServerIdentity(name, certificate)),
  })
  try {
    await once(socket, 'secureConnect')
  } finally {
    socket.destroy()
    server.close()
  }
}

test('the certificate is good for all names and addresses of the machine, and no others', async (t) => {
  const site = await newSite(t)
  site.publicName = 'Drover.Example'
  const certificates = await site.open()
  const good = [
    'plant7',
    'plant7.local',
    'localhost',
    'drover.example',
    '127.0.0.1',
    '::1',
    '192.0.2.7',
    '2001:db8::7',
  ]
  for (const name of good) await verify(certificates, name)
  for (const name of ['plant8', 'example', '192.0.2.8'])
    await assert.rejects(verify(certificates, name), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  // And once with the client's own check, which takes the address that it connects to.
  await verify(certificates, '127.0.0.1', checkServerIdentity)
})

test('a public name may be an address', async (t) => {
  const site = await newSite(t)
  site.publicName = '198.51.100.4'
  await verify(await site.open(), '198.51.100.4')
})

test('a client that trusts another authority refuses', async (t) => {
  const [one, other] = [await (await newSite(t)).open(), await (await newSite(t)).open()]
  const { certificatePem, keyPem } = one
  await assert.rejects(
    verify({ ...one, certificatePem, keyPem, caPem: other.caPem }, 'localhost'),
    /unable to (verify|get)|self-signed/,
  )
})

test('authority and server certificate are what they should be', async (t) => {
  const { caPem, certificatePem } = await (await newSite(t)).open()
  const [ca, server] = [new X509Certificate(caPem), new X509Certificate(certificatePem)]
  assert.deepEqual([ca.ca, server.ca], [true, false])
  assert.ok(server.verify(ca.publicKey) && server.checkIssued(ca))
  assert.deepEqual(server.keyUsage, ['1.3.6.1.5.5.7.3.1'])
  for (const { publicKey } of [ca, server])
    assert.equal(publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1')
  const days = (one: X509Certificate) => (one.validToDate.getTime() - one.validFromDate.getTime()) / dayMs
  assert.deepEqual([days(ca), days(server)], [3_650, 397])
  assert.ok(server.validFromDate.getTime() < Date.now())
})

test('keys can be read by the owner only', async (t) => {
  const site = await newSite(t)
  await site.open()
  assert.deepEqual((await readdir(site.directory)).sort(), [
    'ca-key.pem',
    'ca.pem',
    'server-key.pem',
    'server.pem',
  ])
  for (const file of ['ca-key.pem', 'server-key.pem'])
    assert.equal((await stat(join(site.directory, file))).mode & 0o777, 0o600)
  assert.equal((await stat(site.directory)).mode & 0o777, 0o700)
})

test('another start keeps both', async (t) => {
  const site = await newSite(t)
  const first = await site.open()
  site.nowMs += 100 * dayMs
  const second = await site.open()
  assert.equal(second.caPem, first.caPem)
  assert.equal(second.certificatePem, first.certificatePem)
})

test('less than 30 days before its end, the server certificate is renewed; the authority stays', async (t) => {
  const site = await newSite(t)
  const first = await site.open()
  site.nowMs += 370 * dayMs
  const second = await site.open()
  assert.equal(second.caPem, first.caPem)
  assert.notEqual(second.certificatePem, first.certificatePem)
  assert.ok(new X509Certificate(second.certificatePem).validToDate.getTime() > site.nowMs + 390 * dayMs)
})

test('before the authority ends, it gets a new certificate for the same key', async (t) => {
  const site = await newSite(t)
  const first = await site.open()
  site.nowMs += 3_640 * dayMs
  const second = await site.open()
  const [old, renewed] = [new X509Certificate(first.caPem), new X509Certificate(second.caPem)]
  assert.notEqual(second.caPem, first.caPem)
  assert.ok(renewed.publicKey.equals(old.publicKey))
})

test('a start under other names renews the server certificate', async (t) => {
  const site = await newSite(t)
  const first = await site.open()
  site.publicName = 'drover.example'
  const second = await site.open()
  assert.notEqual(second.certificatePem, first.certificatePem)
  await verify(second, 'drover.example')
})

async function nextPair(certificates: Certificates, cause: () => void): Promise<CertificatePair> {
  const { promise, resolve } = Promise.withResolvers<CertificatePair>()
  certificates.onChange(resolve)
  cause()
  return promise
}

test('when an address comes or goes while running, listeners get the new pair', async (t) => {
  const site = await newSite(t)
  const certificates = await site.open()
  site.machine = { ...site.machine, addresses: ['127.0.0.1', '192.0.2.99'] }
  const pair = await nextPair(certificates, () => site.passMinute())
  assert.equal(pair.certificatePem, certificates.certificatePem)
  await verify(certificates, '192.0.2.99')
  await assert.rejects(verify(certificates, '192.0.2.7'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
})

test('while running, the certificate is renewed before it ends; after close no more', async (t) => {
  const site = await newSite(t)
  const certificates = await site.open()
  const first = certificates.certificatePem
  site.nowMs += 370 * dayMs
  await nextPair(certificates, () => site.passMinute())
  assert.notEqual(certificates.certificatePem, first)
  certificates.close()
  certificates.onChange(() => assert.fail('renewed after close'))
  site.nowMs += 370 * dayMs
  site.passMinute()
})

test('a renewal that fails is told, and the old certificate goes on', async (t) => {
  const site = await newSite(t)
  const certificates = await site.open()
  const first = certificates.certificatePem
  await rm(site.directory, { recursive: true })
  site.nowMs += 370 * dayMs
  site.passMinute()
  await t.waitFor(() => assert.equal(site.errors.length, 1), { timeout: 5_000 })
  assert.equal(certificates.certificatePem, first)
})

test('a damaged server certificate is made anew; a damaged authority is refused', async (t) => {
  const site = await newSite(t)
  const first = await site.open()
  const serverKey = join(site.directory, 'server-key.pem')
  await writeFile(serverKey, 'not a key')
  const second = await site.open()
  assert.notEqual(second.certificatePem, first.certificatePem)
  await verify(second, 'localhost')
  await writeFile(join(site.directory, 'ca-key.pem'), await readFile(serverKey))
  await assert.rejects(site.open(), (error) => isDroverError(error, 'corruptData'))
})
