-- A Busted helper: the collector never rests, so that what nothing holds is
-- gone before anyone can use it by mistake.
collectgarbage("setpause", 0)
collectgarbage("setstepmul", 10000)
