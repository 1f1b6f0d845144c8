// Faults of a host itself: its memory, its processors, its kernel. What the kernel's words mean is from its
// documentation (admin-guide/ras, admin-guide/lockup-watchdogs, RCU/stallwarn) and mm/memory-failure.c.
#pragma once

#include "core/fault_text.hpp"

namespace fabricheck::fault {

inline constexpr FaultText host_memory_error{
    "host-memory-error",
    Severity::bad,
    "memory",
    "the host's memory had an error that ECC could not correct: who used that memory is killed (SIGBUS), or "
    "the host stops",
    "drain the node and have the memory module named there replaced; where none is named, the management "
    "controller's event log tells which",
    "ipmitool sel elist; ras-mc-ctl --errors; dmesg -T | grep -i -e EDAC -e 'Memory failure' -e mce"};
inline constexpr FaultText kernel_panic{
    "kernel-panic",
    Severity::fatal,
    "host",
    "the kernel of a node stopped (panic), and every process on it with it",
    "look at the lines before it in that node's console log or crash dump (/var/crash); drain the node until "
    "the reason is known",
    "last -x reboot; the serial console's log; ls /var/crash"};
inline constexpr FaultText cpu_stuck{
    "cpu-stuck",
    Severity::bad,
    "host",
    "a processor of the host got stuck in the kernel for many seconds: what runs there, and who waits for it "
    "in a collective, stood still meanwhile",
    "look at the call trace behind that line for the driver that it names, and update that driver or the "
    "kernel; in a VM give each virtual processor one of its own",
    "dmesg -T | grep -A30 -e 'soft lockup' -e 'hard LOCKUP' -e 'detected stall'; in a VM: steal in vmstat 1"};
inline constexpr FaultText task_blocked{
    "task-blocked",
    Severity::bad,
    "host",
    "a process waited in the kernel for minutes, most often for a file system, a disk or a driver that did "
    "not answer",
    "look at the call trace behind that line: nfs, lustre or ceph is the file system and its servers, nvme "
    "the disk, nvidia the GPU's driver, mlx5 or ib the NIC's",
    "dmesg -T | grep -A30 'blocked for more than'; cat /proc/PID/stack as root, when it hangs again"};

inline constexpr FaultText before_boot{
    "errors-before-boot",
    Severity::info,
    "host",
    "the kernel log tells of errors of a device before this host was last started, and of none of them since",
    "look whether they come again; a device that had them in two boots is to be looked at",
    "journalctl -k --list-boots; dmesg -T | grep -i -e xid -e AER"};

}  // namespace fabricheck::fault
