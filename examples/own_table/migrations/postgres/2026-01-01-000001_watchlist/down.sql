DROP TABLE watchlist;
DROP FUNCTION watchlist_refuse_active_delete();
