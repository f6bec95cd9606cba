export interface Queue {}
