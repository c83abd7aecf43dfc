//! Status Protocol SDK: an account and a messenger on a node, behind one async facade
