import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A wire between a client and a server that a test can cut. */
export interface Wire {
  /** `mqtt://127.0.0.1:PORT`. */
  readonly url: string
  /** How many connections were made through it so far. */
  readonly connections: number
  /** Breaks all connections, without a word to either side. */
  cut(): void
  /** From now on new connections are broken at once, or let through again. */
  refuse(refused: boolean): void
  close(): Promise<void>
}

/** Passes everything on to `target`, a URL with host and port. */
export async function startWire(target: string): Promise<Wire> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  let refused = false
  let connections = 0
  const server = createServer((client) => {
    if (refused) {
      client.destroy()
      return
    }
    connections++
    const upstream = connect({ host: hostname, port: Number(port) })
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
      socket.pipe(other)
    }
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connections() {
      return connections
    },
    cut,
    refuse: (value) => {
      refused = value
    },
    close: async () => {
      cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
