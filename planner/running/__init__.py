"""Plans of workflows carried out with the official SDK: each request sent once, its result kept, its cost measured."""
