// @peculiar/x509 asks for this polyfill before it is loaded.
import 'reflect-metadata'
import { createPrivateKey, randomBytes } from 'node:crypto'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'
import type { CertificateNames } from './names.ts'

/** A certificate with its private key, both PEM. */
export interface CertificatePair {
  readonly certificatePem: string
  readonly keyPem: string
}

const dayMs = 86_400_000
/** Backdated, so that a device whose clock is a little behind accepts it at once. */
const backdatedMs = dayMs
export const authorityDays = 3_650
/** The longest that browsers and Apple's systems accept, less a day. */
export const serverDays = 397

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

interface KeyPair {
  readonly publicKey: CryptoKey
  readonly privateKey: CryptoKey
}

/** A certificate authority of this installation alone, or a new certificate for the key of an existing one. */
export async function issueAuthority(
  commonName: string,
  nowMs: number,
  existingKeyPem?: string,
): Promise<CertificatePair> {
  const keys = existingKeyPem === undefined ? await newKeys() : await readKeys(existingKeyPem)
  const certificate = await X509CertificateGenerator.createSelfSigned({
    ...validity(nowMs, authorityDays),
    name: [{ CN: [commonName] }],
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { certificatePem: pem(certificate), keyPem: await keyPem(keys.privateKey) }
}

/** A server certificate for these names, with a key of its own, signed by the authority. */
export async function issueServer(
  authority: CertificatePair,
  names: CertificateNames,
  nowMs: number,
): Promise<CertificatePair> {
  const issuer = new X509Certificate(authority.certificatePem)
  const signer = await readKeys(authority.keyPem)
  const keys = await newKeys()
  const certificate = await X509CertificateGenerator.create({
    ...validity(nowMs, serverDays),
    subject: [{ CN: ['Drover'] }],
    issuer: issuer.subject,
    publicKey: keys.publicKey,
    signingKey: signer.privateKey,
    signingAlgorithm: algorithm,
    extensions: await serverExtensions(keys, signer, names),
  })
  return { certificatePem: pem(certificate), keyPem: await keyPem(keys.privateKey) }
}

async function serverExtensions(
  keys: KeyPair,
  signer: KeyPair,
  names: CertificateNames,
): Promise<Extension[]> {
  return [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
    new SubjectAlternativeNameExtension([
      ...names.hosts.map((value) => ({ type: 'dns' as const, value })),
      ...names.addresses.map((value) => ({ type: 'ip' as const, value })),
    ]),
    await SubjectKeyIdentifierExtension.create(keys.publicKey),
    await AuthorityKeyIdentifierExtension.create(signer.publicKey),
  ]
}

function validity(nowMs: number, days: number) {
  const fromMs = nowMs - backdatedMs
  // Positive, as RFC 5280 section 4.1.2.2 asks.
  const serialNumber = `01${randomBytes(15).toString('hex')}`
  return { notBefore: new Date(fromMs), notAfter: new Date(fromMs + days * dayMs), serialNumber }
}

function newKeys(): Promise<KeyPair> {
  return crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']) as Promise<KeyPair>
}

async function readKeys(privateKeyPem: string): Promise<KeyPair> {
  const jwk = createPrivateKey(privateKeyPem).export({ format: 'jwk' })
  const { d: _, ...publicJwk } = jwk
  const { subtle } = crypto
  return {
    privateKey: await subtle.importKey('jwk', jwk, algorithm, true, ['sign']),
    publicKey: await subtle.importKey('jwk', publicJwk, algorithm, true, ['verify']),
  }
}

async function keyPem(key: CryptoKey): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', key))
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ format: 'pem', type: 'pkcs8' })
}

function pem(certificate: X509Certificate): string {
  return `${certificate.toString('pem').trim()}\n`
}
