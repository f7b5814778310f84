"""Pages and charts; nothing below imports them."""
