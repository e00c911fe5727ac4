const LIGHT = { page: '#ffffff', text: '#1f2328', faint: '#656d76', line: '#d8dee4', bot: '#f1f3f6', mine: '#3d5bd9', mineText: '#ffffff', accent: '#3d5bd9' };
const DARK = { page: '#171b22', text: '#e6e9ee', faint: '#98a1ad', line: '#2c333d', bot: '#222933', mine: '#4a63d8', mineText: '#ffffff', accent: '#8ea2ff' };

/** Web Chat's style options in the page's colours. */
export function styleOptions(dark) {
  const colour = dark ? DARK : LIGHT;
  return {
    primaryFont: 'system-ui, "Segoe UI", Roboto, sans-serif',
    accent: colour.accent,
    subtle: colour.faint,
    backgroundColor: colour.page,
    bubbleBackground: colour.bot,
    bubbleTextColor: colour.text,
    bubbleBorderColor: 'transparent',
    bubbleBorderRadius: 12,
    bubbleFromUserBackground: colour.mine,
    bubbleFromUserTextColor: colour.mineText,
    bubbleFromUserBorderColor: 'transparent',
    bubbleFromUserBorderRadius: 12,
    bubbleMaxWidth: 560,
    cardPushButtonBackgroundColor: colour.page,
    cardPushButtonTextColor: colour.accent,
    cardEmphasisBackgroundColor: colour.bot,
    sendBoxBackground: colour.page,
    sendBoxTextColor: colour.text,
    sendBoxPlaceholderColor: colour.faint,
    sendBoxButtonColor: colour.accent,
    sendBoxBorderTop: `1px solid ${colour.line}`,
    suggestedActionLayout: 'flow',
    suggestedActionBackgroundColor: colour.page,
    suggestedActionTextColor: colour.accent,
    suggestedActionBorderColor: colour.accent,
    suggestedActionBorderRadius: 16,
    suggestedActionHeight: 34,
    transcriptOverlayButtonBackground: colour.bot,
    transcriptOverlayButtonColor: colour.text,
    timestampColor: colour.faint,
    hideUploadButton: false
  };
}
