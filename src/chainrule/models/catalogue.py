"""The library's own models, by name. What is here is tested by all the laws."""

from chainrule.models.registry import register_model

register_model("uniform", "chainrule.models.baselines:Uniform", "every value equally likely")
register_model("independent", "chainrule.models.baselines:Independent", "p(x) = ∏ p(x_d), counted")
register_model(
    "gaussian",
    "chainrule.models.gaussian:MultivariateGaussian",
    "one normal for all of x, bin-integrated on levels",
)
register_model("count-table", "chainrule.models.count_table:CountTable", "p(x_d | the k before it), counted")
register_model(
    "chow-liu",
    "chainrule.models.chow_liu:ChowLiuTree",
    "each variable reads one other: the best tree, counted",
)
register_model(
    "finite-memory", "chainrule.models.finite_memory:FiniteMemory", "one shared MLP on the k values before"
)
register_model("fvsbn", "chainrule.models.fvsbn:FVSBN", "each variable a logistic regression on those before")
register_model("nade", "chainrule.models.nade:NADE", "one hidden layer, updated by each variable in turn")
register_model("rnade", "chainrule.models.rnade:RNADE", "NADE for reals: each conditional a mixture")
register_model(
    "deep-nade", "chainrule.models.deep_nade:DeepNADE", "one deep net for all orderings, and any subset known"
)
register_model("eonade", "chainrule.models.deep_nade:EoNADE", "a DeepNADE along several orderings, mixed")
register_model(
    "conv-nade",
    "chainrule.models.conv_nade:ConvNADE",
    "convolutions for all orderings of an image, any pixels known",
)
register_model(
    "ensemble", "chainrule.models.ensemble:Ensemble", "several nets side by side, their logits averaged"
)
register_model("made", "chainrule.models.made:MADE", "masked perceptron, residual")
register_model(
    "made-ensemble",
    "chainrule.models.made_ensemble:MADEEnsemble",
    "one MADE under several orderings and masks, mixed",
)
register_model(
    "made-committee",
    "chainrule.models.made_ensemble:MADECommittee",
    "several MADEs, each of another ordering, mixed",
)
register_model(
    "rnn", "chainrule.models.recurrent:RecurrentNet", "recurrent net, tanh cells", fixed={"cell": "rnn"}
)
register_model(
    "lstm", "chainrule.models.recurrent:RecurrentNet", "recurrent net, LSTM cells", fixed={"cell": "lstm"}
)
register_model(
    "gru", "chainrule.models.recurrent:RecurrentNet", "recurrent net, GRU cells", fixed={"cell": "gru"}
)
register_model("pixelcnn", "chainrule.models.pixelcnn:PixelCNN", "masked convolutions of images")
register_model(
    "gated-pixelcnn", "chainrule.models.gated_pixelcnn:GatedPixelCNN", "two gated stacks, no blind spot"
)
register_model(
    "row-lstm", "chainrule.models.pixelrnn:RowPixelRNN", "PixelRNN of LSTMs that run down the rows"
)
register_model(
    "diagonal-lstm",
    "chainrule.models.pixelrnn:DiagonalPixelRNN",
    "PixelRNN, LSTMs along diagonals",
    fixed={"both": False},
)
register_model(
    "diagonal-bilstm",
    "chainrule.models.pixelrnn:DiagonalPixelRNN",
    "the same, from left and right",
    fixed={"both": True},
)
register_model(
    "spatial-lstm",
    "chainrule.models.spatial_lstm:SpatialLSTMNet",
    "LSTM in two dimensions, of levels and reals",
)
register_model(
    "pixelcnn-plus-plus",
    "chainrule.models.pixelcnn_plus_plus:PixelCNNPlusPlus",
    "whole pixels, mixtures of logistics",
)
register_model(
    "pixelcnn-autoencoder",
    "chainrule.models.pixelcnn_autoencoder:PixelCNNAutoencoder",
    "a gated PixelCNN decodes images from codes; no likelihood",
)
register_model("vae", "chainrule.models.vae:VAE", "latent numbers, pixels independent given these; a bound")
register_model(
    "pixel-vae", "chainrule.models.pixel_vae:PixelVAE", "latent numbers, then a shallow PixelCNN; a bound"
)
register_model(
    "vq-vae", "chainrule.models.vq_vae:VQVAE", "maps of codes, and any autoregressive model of these; a bound"
)
register_model(
    "multi-scale",
    "chainrule.models.multi_scale:MultiScalePixelCNN",
    "every s-th pixel first, then those between",
)
register_model(
    "transformer", "chainrule.models.transformer:Transformer", "masked self-attention, decoder only"
)
register_model("gpt2", "chainrule.models.gpt:GPT2", "symbols looked up, learned positions, one matrix twice")
register_model(
    "llama", "chainrule.models.llama:Llama", "rotary positions, SwiGLU, heads that share keys and values"
)
register_model(
    "causal-conv1d", "chainrule.models.causal_conv1d:CausalConv1dARM", "stack of causal 1-D convolutions"
)
register_model("tcn", "chainrule.models.tcn:TCN", "residual blocks of dilated causal convolutions")
register_model(
    "revnet",
    "chainrule.models.revnet:RevNet",
    "reversible residual blocks of convolutions: memory of one block",
)
register_model("nice", "chainrule.models.nice:NICE", "additive couplings: a flow of volume one")
register_model(
    "realnvp", "chainrule.models.realnvp:RealNVP", "affine couplings, images at several scales: a flow"
)
register_model("maf", "chainrule.models.maf:MAF", "a stack of MADEs as a flow, fast densities")
register_model("iaf", "chainrule.models.maf:IAF", "the same the other way round, fast samples")
register_model(
    "nsf", "chainrule.models.nsf:NSF", "monotone splines in couplings, or one after the other: a flow"
)
register_model(
    "wavenet", "chainrule.models.wavenet:WaveNet", "gated residual blocks of dilated causal convolutions"
)
register_model(
    "rls-lstm",
    "chainrule.models.rls_lstm:RLSLSTM",
    "least squares that follow a sound, and an LSTM for their errors",
)
register_model("vrnn", "chainrule.models.vrnn:VRNN", "recurrent net with a latent variable a step; a bound")
register_model("stcn", "chainrule.models.stcn:STCN", "TCN with a ladder of latent variables a step; a bound")
