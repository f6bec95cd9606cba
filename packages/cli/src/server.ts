import { readFileSync } from 'node:fs'
import * as tls from 'node:tls'
import { DroverError } from '@drover/protocol'
import { type Client, createClient } from '@drover/sdk/client'
import { type Command, Option } from 'commander'

export interface ServerOptions {
  readonly url: string
  readonly key?: string
  readonly keyFile: string
  readonly ca?: string
  readonly json?: true
}

const defaultUrl = 'http://127.0.0.1:8080'

/** The options of every command that talks to a running server. */
export function withServer(command: Command): Command {
  return command
    .addOption(new Option('--url <url>', 'where the server answers').env('DROVER_URL').default(defaultUrl))
    .addOption(new Option('--key <key>', 'administrator key').env('DROVER_KEY'))
    .addOption(
      new Option('--key-file <file>', 'file that holds it, read without --key').default('data/admin-key'),
    )
    .addOption(new Option('--ca <file>', "the server's own CA (its /ca.pem), for https").env('DROVER_CA'))
    .option('--json', 'print JSON for programs')
}

/** A client with the administrator key. Throws `unauthenticated` when none is found. */
export function connectTo(options: ServerOptions, timeoutMs?: number): Client {
  trust(options.ca)
  return createClient({ baseUrl: options.url, key: options.key ?? readKey(options.keyFile), timeoutMs })
}

function readKey(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new DroverError('unauthenticated', {}, error)
  }
}

/** Makes this process's requests accept the certificates of one more CA. */
export function trust(caFile: string | undefined): void {
  if (caFile === undefined) return
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), readFileSync(caFile, 'utf8')])
}
