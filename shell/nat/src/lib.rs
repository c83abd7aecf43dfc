//! Through NATs: UPnP IGD, NAT-PMP and PCP, with leases that are renewed and given back
