/* Commands of serial NOR flash that all makers share (JEDEC). */
#ifndef FLASH_COMMANDS_H
#define FLASH_COMMANDS_H

#define FLASH_PROGRAM 0x02u
#define FLASH_READ 0x03u
#define FLASH_STATUS 0x05u
#define FLASH_STATUS_BUSY 0x01u
#define FLASH_WRITE_ENABLE 0x06u
#define FLASH_ERASE 0x20u /* 4 KiB */
#define FLASH_WAKE 0xABu

#endif
