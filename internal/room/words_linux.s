//go:build amd64 || arm64

#include "textflag.h"

DATA ·smallSpace+0x00(SB)/8, $"aex: the"
DATA ·smallSpace+0x08(SB)/8, $" address"
DATA ·smallSpace+0x10(SB)/8, $" space i"
DATA ·smallSpace+0x18(SB)/8, $"s limite"
DATA ·smallSpace+0x20(SB)/8, $"d to les"
DATA ·smallSpace+0x28(SB)/8, $"s than t"
DATA ·smallSpace+0x30(SB)/8, $"he 1.5 G"
DATA ·smallSpace+0x38(SB)/8, $"iB that "
DATA ·smallSpace+0x40(SB)/8, $"aex need"
DATA ·smallSpace+0x48(SB)/8, $"s; raise"
DATA ·smallSpace+0x50(SB)/8, $" it: uli"
DATA ·smallSpace+0x58(SB)/8, $"mit -v u"
DATA ·smallSpace+0x60(SB)/8, $"nlimited"
DATA ·smallSpace+0x68(SB)/1, $"\n"
GLOBL ·smallSpace(SB), RODATA|NOPTR, $105

DATA ·fewFiles+0x00(SB)/8, $"aex: ope"
DATA ·fewFiles+0x08(SB)/8, $"n files "
DATA ·fewFiles+0x10(SB)/8, $"are limi"
DATA ·fewFiles+0x18(SB)/8, $"ted to f"
DATA ·fewFiles+0x20(SB)/8, $"ewer tha"
DATA ·fewFiles+0x28(SB)/8, $"n the 64"
DATA ·fewFiles+0x30(SB)/8, $" that ae"
DATA ·fewFiles+0x38(SB)/8, $"x needs;"
DATA ·fewFiles+0x40(SB)/8, $" raise i"
DATA ·fewFiles+0x48(SB)/8, $"t: ulimi"
DATA ·fewFiles+0x50(SB)/8, $"t -n 102"
DATA ·fewFiles+0x58(SB)/1, $"4"
DATA ·fewFiles+0x59(SB)/1, $"\n"
GLOBL ·fewFiles(SB), RODATA|NOPTR, $90
