export interface Store {}
