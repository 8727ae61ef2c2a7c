"""Words that decide how a disguised word is read (serving/disguise.py). They raise no score by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_SWEARING = "fuck shit bitch ass asshole damn crap cunt dick bastard bullshit piss hell"
# The commoner first among those of like shape. Slurs stand here so that they are found when disguised.
_OFFENSIVE = f"""
{_SWEARING} idiot moron stupid motherfucker goddamn pussy cock whore slut douche douchebag dumb dumbass jackass loser
pathetic retard retarded faggot fag nigger nigga twat wanker prick tosser scum trash garbage liar clown fool ugly hate
kill die imbecile cretin dipshit dickhead shithead fuckwit arse arsehole bollocks bugger bloody dyke tranny spic kike
chink paki gook rapist rape pig ignorant disgusting ridiculous hypocrite coward racist sexist nazi troll lunatic dimwit
halfwit nutjob psycho worthless brainless clueless stupidity idiotic moronic shitty crappy dumbest stupidest
bigot jerk suck thug buffoon batshit chickenshit shithole shitshow clusterfuck asshat assclown
traitor traitorous hypocrisy hypocritical ignorance idiocy arrogant lying
"""
# Forms of these that are not in the dictionary of serving/english.py, of those that are made below.
_FORMS = "assholes douchebags fuckin goddamned kikes pakis shitholes spics thugs"
_ENDINGS = ("", "s", "es", "ed", "er", "ers", "ing", "in", "y")

SWEARING = frozenset(_SWEARING.split())
OFFENSIVE: Mapping[str, None] = MappingProxyType(
    dict.fromkeys(word + ending for ending in _ENDINGS for word in _OFFENSIVE.split())
)
# Of these, what is a word without a doubt: others are found where they are misspelt only.
PLAIN = frozenset((*_OFFENSIVE.split(), *_FORMS.split()))
_MEANT = (
    "crapy cocker cockers cocky craps dicker dicky heller helles hells jerky spiced spicer spices spicing spicy stupids"
)
# Forms that mean something else.
MEANT = frozenset(_MEANT.split())
_DELICATE = """
women woman sex sexual gay gays jew jews jewish muslim muslims black blacks white whites fat penis vagina tits boobs
butt balls fart poop screw screwed heck
"""
# What is masked because of what it is about, more often than another word of the shape.
DELICATE = tuple(_DELICATE.split())

# Met often, and not in the dictionary of serving/english.py: what stands before "n't", and in addresses.
_PIECES = "aren couldn didn doesn hadn hasn haven html http https potus shouldn wasn weren wouldn"
PIECES = frozenset(_PIECES.split())
# Slips of four letters that are nothing else, however they are written.
SLIPS = MappingProxyType({"fcuk": "fuck", "fukc": "fuck", "shti": "shit", "siht": "shit"})
# Not in the dictionary, and no slips for what is.
_NO_SLIPS = "centerpiece centerpieces cnut flotus merican murica paik palin proto scotus"
NO_SLIPS = frozenset(_NO_SLIPS.split())

_DOUBLED = """
agree agreed all allow annoying apparently appeal balloon bee been being better boo book boom bottom bull business call
called cannot carry class coffee common cool coming current deep difficult different dinner door dress effect eggs essay
exactly exceed fall feed feel feet fell fill floor follow foo food fool foot free freedom full funny geez glass good
goodness goofy gross guess happen happy hell hello hill hood hook hooray indeed issue keep kill kiss knee less letter
little look loop loss lottery matter meet mess middle million miss mood moon need needs off offer office ok oops opposed
pass pee people poo pool poop poor possible pretty proof really roof room root school see seed seek seem seems seen sell
seriously settle shall sheep sheesh shoot shopping silly sleep small smell soon speech speed spell staff stall steel
still stood stuff stupid succeed success suggest summer sunny supper suppose sweet tall tell terrible three tomorrow
too took tool tooth tree tried troll utterly village wall weed week weep well whee wheel will woo wood woof wool yell
yellow zoo
"""
# Common words with a double letter, or none, which "gooood" and "stuuupid" mean.
DOUBLED = frozenset(_DOUBLED.split())
