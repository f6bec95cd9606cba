import { type DeviceInput, isDroverError } from '@drover/protocol'
import type { Client } from '@drover/sdk/client'

export interface TokenSource {
  /** A token for the device. Throws `notFound` when it does not exist and may not be created. */
  tokenOf(device: DeviceInput): Promise<string>
  /** Devices that were created on the way. */
  readonly created: readonly string[]
  /** Revokes the tokens that were made for devices which had existed before. */
  release(): Promise<void>
}

export interface TokenOptions {
  /** Whether to create devices that do not exist. */
  readonly create: boolean
}

export function createTokenSource({ devices }: Client, { create }: TokenOptions): TokenSource {
  const created: string[] = []
  const borrowed: { device: string; keyId: string }[] = []
  const borrow = async (device: string) => {
    const { token, keyId } = await devices.createToken(device)
    borrowed.push({ device, keyId })
    return token
  }
  return {
    created,
    async tokenOf(device) {
      if (!create) return borrow(device.id)
      try {
        const { token } = await devices.create(device)
        created.push(device.id)
        return token
      } catch (error) {
        if (isDroverError(error, 'alreadyExists')) return borrow(device.id)
        throw error
      }
    },
    async release() {
      for (const { device, keyId } of borrowed.splice(0)) await devices.revokeToken(device, keyId)
    },
  }
}
