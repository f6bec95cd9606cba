/** Who sends: a device that has shown its token. */
export interface DeviceIdentity {
  readonly tenant: number
  readonly deviceUid: number
  readonly deviceId: string
  /** The token with which it signed in; revoking it closes what it opened. */
  readonly keyId: string
}

export interface DeviceCredentials {
  /** The device id that the sender claims, if it claims one (MQTT: the username beside a password). */
  readonly deviceId: string | undefined
  readonly token: string
}

export interface DeviceAuthenticator {
  /** Rejects with `unauthenticated`, `badCredentials`, or `forbidden` for a suspended device. */
  authenticate(credentials: DeviceCredentials): Promise<DeviceIdentity>
}
