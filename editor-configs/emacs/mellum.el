;;; mellum.el --- Completions from a model on your own machine  -*- lexical-binding: t; -*-

;; Package-Requires: ((emacs "29.1"))
;; Version: 0.1.0
;; Keywords: languages, completion
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:

;; Connects Emacs with the language server mellum-lsp:
;;
;; - with lsp-mode 10 or later as ghost text, beside the servers of the language;
;; - with eglot as entries of the completion at point.
;;
;;   (require 'mellum)
;;
;; is all that lsp-mode needs.  For eglot see `mellum-eglot-modes'.

;;; Code:

(require 'cl-lib)
(require 'seq)

(defgroup mellum nil
  "Completions from a model on your own machine."
  :group 'tools)

(defcustom mellum-command '("mellum-lsp" "serve")
  "How to start the server."
  :type '(repeat string))

(defcustom mellum-model nil
  "A name from \"mellum-lsp models list\", or the path of a .gguf file.
With nil the server chooses."
  :type '(choice (const nil) string))

(defcustom mellum-settings nil
  "The server's settings as a property list, for instance (:maxLines 6)."
  :type 'plist)

(defcustom mellum-eglot-modes nil
  "Major modes that eglot serves with mellum-lsp, in place of another server.
Eglot has one server for a buffer.  Set this before mellum is loaded."
  :type '(repeat symbol))

(defvar mellum-enabled t
  "Whether ghosts are shown; `mellum-pause' makes it nil in a buffer or everywhere.")

(defun mellum--options ()
  "The settings as the server wants them at its start."
  (append (and mellum-model (list :model mellum-model)) mellum-settings
          (and (null mellum-model) (null mellum-settings) (make-hash-table))))

;;; eglot

(defvar eglot-server-programs)

(with-eval-after-load 'eglot
  (when mellum-eglot-modes
    (add-to-list 'eglot-server-programs
                 (cons mellum-eglot-modes
                       (lambda (&optional _interactive _project)
                         (append mellum-command (list :initializationOptions (mellum--options))))))))

;;; lsp-mode

(declare-function lsp-register-client "lsp-mode")
(declare-function make-lsp-client "lsp-mode")
(declare-function lsp-stdio-connection "lsp-mode")
(declare-function lsp-request-async "lsp-mode")
(declare-function lsp-request "lsp-mode")
(declare-function lsp-workspaces "lsp-mode")
(declare-function lsp--workspace-client "lsp-mode")
(declare-function lsp--client-server-id "lsp-mode")
(declare-function lsp--text-document-identifier "lsp-mode")
(declare-function lsp--cur-position "lsp-mode")
(declare-function lsp-inline-completion-display "lsp-inline-completion")
(declare-function lsp-inline-completion-accept "lsp-inline-completion")
(declare-function lsp-inline-completion-cancel "lsp-inline-completion")
(declare-function lsp-inline-completion--active-p "lsp-inline-completion")
(declare-function lsp-inline-completion--clear-overlay "lsp-inline-completion")
(declare-function lsp-inline-completion--define-key "lsp-inline-completion")
(declare-function lsp-get "lsp-protocol")
(defvar lsp--buffer-workspaces)
(defvar lsp--cur-workspace)
(defvar lsp-inline-completion-active-map)
(defvar lsp-inline-completion-inhibit-predicates)
(defvar lsp-inline-completion--items)
(defvar lsp-inline-completion--current)
(defvar lsp-inline-completion--start-point)

(defvar mellum--status (make-hash-table :test #'eq :weakness 'key)
  "What the server of each workspace said last of itself.")

(defconst mellum-seen-seconds 0.15 "A ghost that was gone sooner was not seen by anybody.")
(defconst mellum-read-seconds 0.75 "Who types something else after this has refused the ghost.")

(defvar-local mellum--shown nil "The item that is shown, and since when, as (ITEM . TIME).")

(defun mellum--workspace ()
  "The buffer's workspace of mellum-lsp, or nil."
  (seq-find (lambda (workspace)
              (eq (lsp--client-server-id (lsp--workspace-client workspace)) 'mellum))
            (lsp-workspaces)))

(defun mellum--call (method params callback)
  "Ask METHOD with PARAMS of mellum-lsp alone, and give CALLBACK the result."
  (when-let* ((workspace (mellum--workspace)))
    (let ((lsp--buffer-workspaces (list workspace)) (lsp--cur-workspace workspace))
      (lsp-request-async method params callback :mode 'detached :error-handler #'ignore))))

(defun mellum--tell (command item &rest arguments)
  "Tell the server by COMMAND what became of ITEM."
  (when-let* ((accepted (and item (lsp-get item :command))))
    (mellum--call "workspace/executeCommand"
                  (list :command command
                        :arguments (vconcat (list (elt (lsp-get accepted :arguments) 0)) arguments))
                  #'ignore)))

(defun mellum--item ()
  "The item that lsp-mode shows, or nil."
  (and (lsp-inline-completion--active-p)
       (elt lsp-inline-completion--items lsp-inline-completion--current)))

(defun mellum--on-shown ()
  "Tell the server once that a ghost has been seen."
  (let ((item (mellum--item)) (buffer (current-buffer)))
    (unless (eq item (car mellum--shown))
      (setq mellum--shown (cons item (float-time)))
      (run-with-timer mellum-seen-seconds nil
                      (lambda ()
                        (when (buffer-live-p buffer)
                          (with-current-buffer buffer
                            (when (and item (eq item (mellum--item)))
                              (mellum--tell "mellum.shown" item)))))))))

(defun mellum--on-cancelled ()
  "Tell the server of a ghost that was refused.
It was dismissed, or something else was typed after reading it."
  (pcase-let ((`(,item . ,since) mellum--shown))
    (when (and item
               (or (eq this-command 'lsp-inline-completion-cancel)
                   (and (eq this-command 'self-insert-command)
                        (>= (- (float-time) since) mellum-read-seconds)
                        (not (eq last-command-event (aref (lsp-get item :insertText) 0))))))
      (mellum--tell "mellum.dismissed" item)))
  (setq mellum--shown nil))

(defun mellum--before-accept (&rest _)
  "Tell the server that the ghost is accepted, before the text changes.
Told after it, as lsp-mode would, a short ghost is taken for typing."
  (mellum--tell "mellum.accepted" (mellum--item)))

(defun mellum--take (choose)
  "Insert a part of the ghost and show the rest.
CHOOSE is a function that returns the part of the text."
  (let* ((item (or (mellum--item) (user-error "No suggestion is shown")))
         (text (lsp-get item :insertText))
         (part (funcall choose text)))
    (if (equal part text)
        (lsp-inline-completion-accept)
      (let ((units (/ (length (encode-coding-string part 'utf-16le)) 2)))
        (mellum--tell "mellum.partiallyAccepted" item units))
      (lsp-inline-completion--clear-overlay)
      (goto-char lsp-inline-completion--start-point)
      (insert part)
      (lsp-inline-completion-display 'implicit))))

(defun mellum-accept-word ()
  "Insert the next word of the suggestion."
  (interactive)
  (mellum--take (lambda (text)
                  (string-match (rx bos (* (any " \t\n"))
                                    (or (+ (any alnum nonascii "_"))
                                        (+ (not (any alnum nonascii "_ \t\n")))
                                        eos))
                                text)
                  (match-string 0 text))))

(defun mellum-accept-line ()
  "Insert the rest of the suggestion's first line.
Where that is empty, insert its next line."
  (interactive)
  (mellum--take (lambda (text)
                  (string-match "\\`\n?[^\n]*" text)
                  (match-string 0 text))))

(defun mellum-pause (&optional everywhere)
  "Show no suggestions in this buffer; with a prefix argument EVERYWHERE."
  (interactive "P")
  (set (if everywhere 'mellum-enabled (make-local-variable 'mellum-enabled)) nil)
  (when (mellum--item) (lsp-inline-completion-cancel)))

(defun mellum-resume (&optional everywhere)
  "Show suggestions again in this buffer; with a prefix argument EVERYWHERE."
  (interactive "P")
  (if everywhere (setq-default mellum-enabled t) (kill-local-variable 'mellum-enabled)))

(defun mellum--paused-p ()
  "Whether ghosts are paused here."
  (or (not mellum-enabled) (not (default-value 'mellum-enabled))))

(defun mellum--shown-p ()
  "Whether a ghost is shown, to which an automatic request could add nothing.
It would leave one of several that the user has asked for."
  (lsp-inline-completion--active-p))

(defun mellum-status ()
  "A few words for the mode line: empty where no server works on the buffer."
  (let* ((workspace (and (fboundp 'lsp-workspaces) (mellum--workspace)))
         (status (and workspace (gethash workspace mellum--status))))
    (cond ((null workspace) "")
          ((mellum--paused-p) "mellum: paused")
          ((null status) "mellum: starting")
          ((not (equal (lsp-get status :state) "ready")) (concat "mellum: " (lsp-get status :state)))
          ((string-prefix-p "nothing to show: " (lsp-get status :message))
           (concat "mellum: silent, " (substring (lsp-get status :message) (length "nothing to show: "))))
          (t "mellum"))))

(defun mellum-explain ()
  "Show how the suggestion at point comes about."
  (interactive)
  (unless (mellum--workspace) (user-error "No mellum-lsp works on this buffer"))
  (mellum--call "mellum/explain"
                (list :textDocument (lsp--text-document-identifier)
                      :position (lsp--cur-position)
                      :context (list :triggerKind 1))
                #'mellum--show-explanation))

(defun mellum--show-explanation (told)
  "Show TOLD, the answer to mellum/explain, in a window of its own."
  (cl-flet ((get (object &rest keys) (seq-reduce #'lsp-get keys object)))
    (with-current-buffer (get-buffer-create "*mellum explain*")
      (let ((inhibit-read-only t))
        (erase-buffer)
        (insert (if (equal (get told :text) "") (format "nothing: %s" (get told :reason)) (get told :text)) "\n\n"
                (format "gate: probability %.3f, threshold %.3f\n"
                        (get told :gate :probability) (get told :gate :threshold))
                (format "model %s, %s plan, %.0f ms: retrieval %.1f, prefill %.1f, decoding %.1f\n"
                        (get told :model) (get told :source) (get told :timings :total_ms)
                        (get told :timings :retrieval_ms) (get told :timings :prefill_ms)
                        (get told :timings :decode_ms))
                (format "tokens: %d in the prompt, %d reused, %d evaluated, %d generated\n"
                        (get told :tokens :prompt) (get told :tokens :reused)
                        (get told :tokens :evaluated) (get told :tokens :generated)))
        (insert "\nsteps\n")
        (seq-doseq (step (get told :steps))
          (insert (format "- %s: %S -> %S\n" (get step :rule) (get step :before) (get step :after))))
        (insert "\nchunks\n")
        (seq-doseq (chunk (get told :chunks))
          (insert (format "- %s:%d to %d, score %.3f by %s\n" (get chunk :path) (get chunk :start_line)
                          (get chunk :end_line) (get chunk :score) (get chunk :strategy))))
        (insert "\nprompt\n" (get told :prompt) "\n"))
      (goto-char (point-min))
      (special-mode)
      (display-buffer (current-buffer)))))

(defun mellum--heard-status (workspace status)
  "Remember STATUS, which the server of WORKSPACE says of itself."
  (puthash workspace status mellum--status)
  (force-mode-line-update t))

(with-eval-after-load 'lsp-mode
  (lsp-register-client
   (make-lsp-client
    :new-connection (lsp-stdio-connection (lambda () mellum-command))
    :activation-fn (lambda (_file _mode) t)
    :add-on? t
    :multi-root t
    :priority -2
    :server-id 'mellum
    :initialization-options #'mellum--options
    :notification-handlers (let ((handlers (make-hash-table :test 'equal)))
                             (puthash "mellum/status" #'mellum--heard-status handlers)
                             handlers)
    :action-handlers (let ((handlers (make-hash-table :test 'equal)))
                       ;; `mellum--before-accept' has told of it.
                       (puthash "mellum.accepted" #'ignore handlers)
                       handlers))))

(with-eval-after-load 'lsp-inline-completion
  (advice-add 'lsp-inline-completion-accept :before #'mellum--before-accept)
  (add-hook 'lsp-inline-completion-shown-hook #'mellum--on-shown)
  (add-hook 'lsp-inline-completion-cancelled-hook #'mellum--on-cancelled)
  (add-to-list 'lsp-inline-completion-inhibit-predicates #'mellum--paused-p)
  (add-to-list 'lsp-inline-completion-inhibit-predicates #'mellum--shown-p)
  (let ((map lsp-inline-completion-active-map))
    ;; lsp-mode accepts with C-<return>, which a terminal does not know.
    (lsp-inline-completion--define-key map (kbd "TAB") #'lsp-inline-completion-accept 'keep)
    (lsp-inline-completion--define-key map (kbd "M-f") #'mellum-accept-word 'keep)
    (lsp-inline-completion--define-key map (kbd "C-e") #'mellum-accept-line 'keep)))

(provide 'mellum)
;;; mellum.el ends here
